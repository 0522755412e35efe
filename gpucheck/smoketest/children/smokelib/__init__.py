"""What both training scripts share. Needs numpy and nothing of gpucheck: it runs under any interpreter."""
