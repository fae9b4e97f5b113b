"""What generated songs are made of: styles with their tempi, metres, drum patterns and instruments.

A drum pattern is one string per instrument and bar, one character per subdivision: `x` a stroke, `o` a soft one,
`X` an accent, `?` a stroke that is there half of the time, `.` none.
"""

KICK, SNARE, RIM, CLAP, HAT, OPEN, RIDE, TOM, CRASH, SHAKER, TAMB, CONGA, COWBELL = (
    36, 38, 37, 39, 42, 46, 51, 45, 49, 70, 54, 63, 56,
)

# name: (bpm range, beats per bar, subdivisions per beat, weight, how it swings, groups of programs, drum patterns)
# `swing`: the chance that the off-beat eighth is late, by a third of the beat.
STYLES = {
    "rock": dict(bpm=(88, 152), beats=4, grid=4, weight=4, band="rock", patterns=[
        {KICK: "x.......x.x.....", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x.....x.x.......", SNARE: "....x.......x...", HAT: "X.x.X.x.X.x.X.x."},
        {KICK: "x..x....x.x...?.", SNARE: "....X.......X...", RIDE: "x.x.x.x.x.x.x.x."},
        {KICK: "x.x.....x.x.....", SNARE: "....x.......x..o", HAT: "x...x...x...x..."},
    ]),
    "pop": dict(bpm=(78, 132), beats=4, grid=4, weight=5, band="pop", patterns=[
        {KICK: "x.......x.......", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x.....x...x.....", CLAP: "....x.......x...", HAT: "xoxoxoxoxoxoxoxo"},
        {KICK: "x..x..x.x..x....", SNARE: "....x.......x...", SHAKER: "xoxoxoxoxoxoxoxo"},
        {KICK: "x...x...x...x...", SNARE: "....x.......x...", HAT: "..x...x...x...x."},
    ]),
    "ballad": dict(bpm=(54, 84), beats=4, grid=4, weight=3, band="ballad", patterns=[
        {KICK: "x.......x.o.....", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x.......x.......", RIM: "....x.......x...", HAT: "xoxoxoxoxoxoxoxo"},
        {KICK: "x.....x...x.....", SNARE: "....x.......x...", RIDE: "x.x.x.x.x.x.x.x."},
    ]),
    "house": dict(bpm=(116, 132), beats=4, grid=4, weight=3, band="electronic", electronic=True, patterns=[
        {KICK: "X...X...X...X...", CLAP: "....x.......x...", OPEN: "..x...x...x...x."},
        {KICK: "X...X...X...X...", CLAP: "....x.......x...", HAT: "x.xxx.xxx.xxx.xx"},
        {KICK: "X...X...X...X...", SHAKER: "xoxoxoxoxoxoxoxo", OPEN: "..x...x...x...x."},
    ]),
    "techno": dict(bpm=(126, 148), beats=4, grid=4, weight=3, band="electronic", electronic=True, patterns=[
        {KICK: "X...X...X...X...", HAT: "..x...x...x...x.", RIM: "...?..x....x..?."},
        {KICK: "X...X...X...X...", HAT: "xxxxxxxxxxxxxxxx", CLAP: "....x.......x..."},
        {KICK: "X...X...X...X...", OPEN: "..x...x...x...x.", TOM: "...x..x....x..x."},
    ]),
    "trance": dict(bpm=(130, 145), beats=4, grid=4, weight=2, band="electronic", electronic=True, patterns=[
        {KICK: "X...X...X...X...", CLAP: "....x.......x...", OPEN: "..x...x...x...x.", HAT: "xxxxxxxxxxxxxxxx"},
    ]),
    "dnb": dict(bpm=(164, 180), beats=4, grid=4, weight=3, band="electronic", electronic=True, patterns=[
        {KICK: "x.........x.....", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x.x.......x.....", SNARE: "....X..o.o..X..o", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x..x......x..?..", SNARE: "....X..?.o..X...", RIDE: "x.x.x.x.x.x.x.x."},
    ]),
    "hiphop": dict(bpm=(76, 102), beats=4, grid=4, weight=3, band="hiphop", swing16=0.5, patterns=[
        {KICK: "x......x..x.....", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x.x.......xx....", SNARE: "....X.......X...", HAT: "x.xxx.x.x.x.x.xx"},
        {KICK: "x.....xx..x..?..", CLAP: "....X.......X...", HAT: "xoxoxoxoxoxoxoxo"},
    ]),
    "trap": dict(bpm=(128, 156), beats=4, grid=4, weight=1, band="hiphop", electronic=True, patterns=[
        {KICK: "x.........x.....", CLAP: "........X.......", HAT: "x.x.x.x.x.x.xxxx"},
        {KICK: "x.....x.....x...", SNARE: "........X.......", HAT: "x.x.x.x.x.x.x.x."},
    ]),
    "funk": dict(bpm=(92, 122), beats=4, grid=4, weight=2, band="funk", patterns=[
        {KICK: "x.x....o..x..x..", SNARE: "....x..o.o..x..o", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x..x..x...x.....", SNARE: "....x..o....x.o.", HAT: "xoxoxoxoxoxoxoxo"},
    ]),
    "disco": dict(bpm=(104, 128), beats=4, grid=4, weight=2, band="funk", patterns=[
        {KICK: "x...x...x...x...", SNARE: "....x.......x...", OPEN: "..x...x...x...x.", HAT: "x...x...x...x..."},
    ]),
    "reggae": dict(bpm=(66, 92), beats=4, grid=4, weight=1, band="reggae", patterns=[
        {KICK: "....x.......x...", RIM: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
        {KICK: "x...x...x...x...", RIM: "....x.......x...", HAT: "xoxoxoxoxoxoxoxo"},
    ]),
    "punk": dict(bpm=(158, 212), beats=4, grid=2, weight=2, band="metal", patterns=[
        {KICK: "x..xx...", SNARE: "..x...x.", HAT: "xxxxxxxx"},
        {KICK: "x...x...", SNARE: "..X...X.", RIDE: "x.x.x.x."},
        {KICK: "x..x.x..", SNARE: "..x...x.", CRASH: "x.......", HAT: "x.x.x.x."},
    ]),
    "metal": dict(bpm=(96, 160), beats=4, grid=4, weight=1, band="metal", patterns=[
        {KICK: "x.xxx.xxx.xxx.xx", SNARE: "....x.......x...", RIDE: "x...x...x...x..."},
        {KICK: "xxxxxxxxxxxxxxxx", SNARE: "....x.......x...", HAT: "x...x...x...x..."},
    ]),
    "swing": dict(bpm=(104, 222), beats=4, grid=3, weight=3, band="jazz", patterns=[
        {RIDE: "x..x.xx..x.x", HAT: "...x.....x..", KICK: "o..o..o..o.."},
        {RIDE: "x..x.xx..x.x", HAT: "...x.....x..", SNARE: "..?.....?..."},
    ]),
    "shuffle": dict(bpm=(78, 136), beats=4, grid=3, weight=2, band="rock", patterns=[
        {KICK: "x.....x.....", SNARE: "...x.....x..", HAT: "x.xx.xx.xx.x"},
        {KICK: "x.....x.x...", SNARE: "...x.....x..", RIDE: "x.xx.xx.xx.x"},
    ]),
    "bossa": dict(bpm=(108, 150), beats=4, grid=2, weight=1, band="jazz", patterns=[
        {KICK: "x..xx..x", RIM: "x..x..x.", HAT: "xxxxxxxx"},
    ]),
    "latin": dict(bpm=(88, 128), beats=4, grid=4, weight=1, band="latin", patterns=[
        {KICK: "x...x...x...x...", SNARE: "...x..x....x..x.", SHAKER: "xoxoxoxoxoxoxoxo"},
        {CONGA: "x.xxx.x.x.xxx.x.", COWBELL: "x...x.x.x...x.x.", KICK: "x.......x......."},
    ]),
    "waltz": dict(bpm=(84, 190), beats=3, grid=2, weight=4, band="acoustic", patterns=[
        {KICK: "x.....", SNARE: "..x.x.", HAT: "x.x.x."},
        {KICK: "x.....", RIM: "..o.o.", RIDE: "x.x.xx"},
        {},
    ]),
    "three": dict(bpm=(72, 138), beats=3, grid=4, weight=3, band="pop", patterns=[
        {KICK: "x.......o...", SNARE: "....x...x...", HAT: "x.x.x.x.x.x."},
        {KICK: "x.........x.", SNARE: "........x...", HAT: "x.x.x.x.x.x."},
        {KICK: "x.....x.....", SNARE: "....x.......", RIDE: "x.x.x.x.x.x."},
    ]),
    "sixeight": dict(bpm=(42, 76), beats=2, grid=3, weight=3, band="ballad", double=2, patterns=[
        {KICK: "x.....x....x", SNARE: "...x.....x..", HAT: "xxxxxxxxxxxx"},
        {KICK: "x....xx.....", SNARE: "...x.....x..", RIDE: "xxxxxxxxxxxx"},
        {},
    ]),
    "jig": dict(bpm=(88, 132), beats=2, grid=3, weight=2, band="acoustic", double=2, patterns=[
        {KICK: "x.....x.....", SNARE: "...x.....x..", HAT: "x.xx.xx.xx.x"},
        {TAMB: "x..x..x..x..", KICK: "x.....x....."},
        {},
    ]),
    "piano": dict(bpm=(58, 138), beats=4, grid=2, weight=4, band="piano", patterns=[{}]),
    "folk": dict(bpm=(72, 138), beats=4, grid=4, weight=3, band="acoustic", patterns=[
        {}, {SHAKER: "x.x.x.x.x.x.x.x."}, {TAMB: "....x.......x..."},
    ]),
    "strings": dict(bpm=(60, 132), beats=4, grid=2, weight=2, band="orchestra", patterns=[{}]),
}

# comping, lead, bass and pad programs (General MIDI, from 0)
BANDS = {
    "rock": ([27, 29, 30, 26, 16], [29, 30, 65, 81, 53], [33, 34], [48, 16, 89]),
    "pop": ([0, 1, 4, 25, 27, 5], [53, 54, 73, 80, 11, 26, 65], [33, 38, 34], [48, 50, 89, 91]),
    "ballad": ([0, 4, 5, 24, 25], [73, 65, 68, 53, 40, 71], [33, 35, 32], [48, 49, 89, 52]),
    "electronic": ([81, 90, 62, 5, 50, 4], [80, 81, 82, 87, 84], [38, 39, 87], [89, 90, 91, 94, 95]),
    "hiphop": ([4, 5, 0, 46, 11], [73, 11, 80, 54], [38, 33, 39], [48, 50, 89]),
    "funk": ([27, 28, 7, 16, 4], [61, 56, 65, 80], [36, 37, 33], [61, 48]),
    "reggae": ([27, 16, 17, 0], [53, 57, 56, 22], [33, 34], [16, 19]),
    "metal": ([29, 30], [30, 29, 81], [34, 33], [48, 52]),
    "jazz": ([0, 26, 4, 24], [65, 66, 56, 11, 71, 57], [32, 35], [48, 11]),
    "latin": ([0, 24, 25, 21], [56, 73, 57, 22], [32, 33, 35], [48, 61]),
    "acoustic": ([24, 25, 0, 46, 21], [73, 40, 72, 21, 22, 110], [32, 33, 43], [48, 49]),
    "piano": ([0, 1, 2, 4, 6], [0, 0, 73, 40], [0, 32], [48, 0]),
    "orchestra": ([45, 46, 48, 6], [40, 68, 71, 73, 60, 42], [43, 42, 32], [48, 49, 52]),
}

# degrees in semitones above the tonic and the chord's quality
MAJOR = [
    [(0, "maj"), (7, "maj"), (9, "min"), (5, "maj")],
    [(0, "maj"), (9, "min"), (5, "maj"), (7, "maj")],
    [(0, "maj"), (5, "maj"), (7, "maj"), (0, "maj")],
    [(0, "maj"), (5, "maj"), (0, "maj"), (7, "7")],
    [(9, "min"), (5, "maj"), (0, "maj"), (7, "maj")],
    [(0, "maj7"), (9, "min7"), (2, "min7"), (7, "7")],
    [(2, "min7"), (7, "7"), (0, "maj7"), (0, "maj7")],
    [(0, "maj"), (4, "min"), (5, "maj"), (7, "maj")],
    [(5, "maj"), (7, "maj"), (4, "min"), (9, "min")],
    [(0, "maj"), (2, "min"), (5, "maj"), (0, "maj")],
    [(0, "maj"), (10, "maj"), (5, "maj"), (0, "maj")],
    [(0, "7"), (5, "7"), (0, "7"), (7, "7")],
]
MINOR = [
    [(0, "min"), (8, "maj"), (3, "maj"), (10, "maj")],
    [(0, "min"), (5, "min"), (7, "maj"), (0, "min")],
    [(0, "min"), (10, "maj"), (8, "maj"), (10, "maj")],
    [(0, "min"), (10, "maj"), (8, "maj"), (7, "7")],
    [(0, "min"), (5, "min"), (0, "min"), (7, "min")],
    [(0, "min7"), (5, "min7"), (10, "7"), (3, "maj7")],
    [(0, "min"), (3, "maj"), (10, "maj"), (5, "min")],
    [(0, "min"), (8, "maj"), (5, "min"), (7, "7")],
    [(0, "min"), (0, "min"), (10, "maj"), (10, "maj")],
]
TONES = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10)}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
