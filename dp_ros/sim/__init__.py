"""The stand-in cell: it speaks the same protocols as the real one."""
