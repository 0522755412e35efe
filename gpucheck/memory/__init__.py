"""The memory of machines: snapshots, what differs between two, findings that are accepted, and earlier runs."""
