"""Local folders and S3 as one interface with put-if-absent."""
