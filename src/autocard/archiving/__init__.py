"""Old records in sealed files: how they are written, read, taken out of the store and restored."""
