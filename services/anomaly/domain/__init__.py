"""What a detector is, in numpy alone: no files, no network, no clock."""
