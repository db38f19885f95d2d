"""What belongs to the whole process: compiled code, forks, and settings that threads share."""
