"""The management API: how a person, and a program, sees and steers a running gateway."""
