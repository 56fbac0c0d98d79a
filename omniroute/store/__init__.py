"""What is kept on disk. Rows do not leave this package: queries give dataclasses."""
