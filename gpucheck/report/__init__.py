"""One module an output format: each turns a Report into text. rich is used here and nowhere else."""
