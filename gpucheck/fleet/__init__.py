"""Many machines: what one node reports, how its report travels, and what a pile of reports says together."""
