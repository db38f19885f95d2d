"""Tables of files and foreign frames, understood by what they hold: columns, numbers, times, symbols."""
