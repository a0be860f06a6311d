"""The colours of what the pack draws: contact sheets and fidelity reports; red, green and blue of 0..255."""

PAPER, INK, FAINT, LINE = (250, 250, 248), (27, 31, 36), (106, 112, 120), (222, 223, 221)
