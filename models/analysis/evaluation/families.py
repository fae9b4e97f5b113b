"""Which label an instrument of General MIDI (from 0) has. Some belong to a label only in part: they are left out of it."""

LABELS = ["drums", "bass", "piano", "organ", "acoustic_guitar", "electric_guitar", "strings", "brass", "woodwind", "synth", "voice"]

# programs: label, and the labels that are neither right nor wrong for them
_TABLE = [
    (range(0, 6), "piano", ()),
    (range(6, 8), None, ("piano", "acoustic_guitar")),
    (range(8, 16), None, ()),
    (range(16, 21), "organ", ()),
    (range(21, 24), None, ("organ", "woodwind")),
    (range(24, 26), "acoustic_guitar", ()),
    (range(26, 32), "electric_guitar", ()),
    (range(32, 40), "bass", ()),
    (range(40, 45), "strings", ()),
    (range(45, 46), None, ("strings",)),
    (range(46, 47), None, ("acoustic_guitar",)),
    (range(47, 48), None, ("drums",)),
    (range(48, 50), "strings", ()),
    (range(50, 52), "strings", ("synth",)),
    (range(52, 54), "voice", ()),
    (range(54, 55), "voice", ("synth",)),
    (range(56, 62), "brass", ()),
    (range(62, 64), "brass", ("synth",)),
    (range(64, 80), "woodwind", ()),
    (range(80, 85), "synth", ()),
    (range(85, 86), "synth", ("voice",)),
    (range(86, 91), "synth", ()),
    (range(91, 92), "synth", ("voice",)),
    (range(92, 104), "synth", ()),
    (range(104, 109), None, ("acoustic_guitar",)),
    (range(109, 110), None, ("woodwind",)),
    (range(110, 111), "strings", ()),
    (range(111, 112), "woodwind", ()),
]


def label(program):
    """The label, or `None`, and the labels that are neither right nor wrong."""
    for programs, name, unsure in _TABLE:
        if program in programs:
            return name, unsure
    return None, ()


def active(notes, bridge=1.0):
    """Segments in which notes `(start, end)` sound; gaps of less than `bridge` seconds do not count."""
    segments = []
    for start, end in sorted(notes):
        if segments and start - segments[-1][1] < bridge:
            segments[-1][1] = max(segments[-1][1], end)
        else:
            segments.append([start, end])
    return segments
