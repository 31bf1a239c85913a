"""Music from words: a small band of synthesizers, and the picture of what it played."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.sandbox.art.encode import MAKER, wav
from bot.sandbox.art.filters import captioned
from bot.sandbox.art.progress import Bar
from bot.sandbox.art.words import rng_of, words_of
from bot.sandbox.work import ModelError, Piece, Report, Work

Array: TypeAlias = NDArray[np.float64]
RATE = 44100
SECONDS = 5.12
"""512 columns of a spectrogram at 10 ms each, as the model's are."""

MAJOR, MINOR, DORIAN, BLUES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10),
    (0, 3, 5, 6, 7, 10, 12))  # fmt: skip


# -- instruments: frequency (Hz) and length (s) to samples of about -1..1


def _time(length: float) -> Array:
    return np.arange(max(1, int(length * RATE))) / RATE


def _harmonics(freq: float, t: Array, weights: Array, *, vibrato: float = 0.0) -> Array:
    phase = 2 * np.pi * freq * t + vibrato * np.sin(2 * np.pi * 5.3 * t)
    out = np.zeros_like(t)
    for n, weight in enumerate(weights, start=1):
        if n * freq < RATE * 0.42 and abs(weight) > 1e-3:
            out += weight * np.sin(n * phase)
    return out


def _envelope(t: Array, attack: float, release: float) -> Array:
    left = t[-1] - t
    return np.asarray(np.clip(t / max(attack, 1e-4), 0, 1) * np.clip(left / max(release, 1e-4), 0, 1))


def _piano(freq: float, length: float) -> Array:
    t = _time(length + 0.35)
    weights = 0.9 ** np.arange(12) / (1 + np.arange(12)) ** 1.1
    return _harmonics(freq, t, weights) * np.exp(-t * (2.2 + freq / 500)) * _envelope(t, 0.003, 0.08)


def _electric(freq: float, length: float) -> Array:
    t = _time(length + 0.3)
    tine = np.sin(2 * np.pi * 14 * freq * t) * np.exp(-t * 18) * 0.5 if freq * 14 < RATE / 2 else 0.0
    bend = np.sin(2 * np.pi * freq * t + 1.4 * np.exp(-t * 4) * np.sin(2 * np.pi * freq * t))
    return (
        (bend + 0.2 * tine)
        * np.exp(-t * 2.4)
        * _envelope(t, 0.004, 0.1)
        * (1 + 0.15 * np.sin(2 * np.pi * 4.5 * t))
    )


def _guitar(freq: float, length: float) -> Array:
    """A plucked string: a burst of noise that runs round a loop and loses its edge (Karplus and Strong)."""
    period = max(2, round(RATE / freq))
    turns = int((length + 0.3) * RATE / period) + 1
    loop = rng_of("string", period).uniform(-1, 1, period)
    rounds = np.empty((turns, period))
    for i in range(turns):
        rounds[i] = loop
        loop = 0.4985 * (loop + np.roll(loop, 1))
    out = rounds.ravel()[: int((length + 0.3) * RATE)]
    return out * _envelope(np.arange(len(out)) / RATE, 0.001, 0.06) * 0.8


def _distorted(freq: float, length: float) -> Array:
    low, fifth = _guitar(freq, length), _guitar(freq * 1.498, length)
    size = min(len(low), len(fifth))
    return np.tanh(5 * (low[:size] + 0.8 * fifth[:size])) * 0.5


def _bell(freq: float, length: float) -> Array:
    t = _time(length + 0.9)
    return np.sin(2 * np.pi * freq * t + 2.2 * np.exp(-t * 3) * np.sin(2 * np.pi * freq * 3.51 * t)) * np.exp(
        -t * 3.0
    )


def _vibes(freq: float, length: float) -> Array:
    t = _time(length + 0.6)
    bar = np.sin(2 * np.pi * freq * t) + 0.35 * np.sin(2 * np.pi * freq * 4 * t) * np.exp(-t * 9)
    return bar * np.exp(-t * 3.2) * (1 + 0.3 * np.sin(2 * np.pi * 5.8 * t)) * 0.8


def _synth(freq: float, length: float) -> Array:
    t = _time(length)
    n = np.arange(1, 22)
    bright = np.exp(-t[None] * 5) * 12 + 3
    tone = np.zeros_like(t)
    for k in n[n * freq < RATE * 0.4]:
        tone += np.sin(2 * np.pi * k * freq * t) / k * np.exp(-k / bright[0])
    return tone * _envelope(t, 0.006, 0.05)


def _strings(freq: float, length: float) -> Array:
    t = _time(length + 0.25)
    weights = 1 / (1 + np.arange(9)) ** 1.5
    voices = [_harmonics(freq * d, t, weights, vibrato=0.12) for d in (0.996, 1.0, 1.0045)]
    return (voices[0] + voices[1] + voices[2]) / 3 * _envelope(t, min(0.25, length / 3), 0.25)


def _organ(freq: float, length: float) -> Array:
    t = _time(length)
    return (
        _harmonics(freq, t, np.array([0.6, 0.5, 0.4, 0.35, 0, 0.2, 0, 0.2]), vibrato=0.06)
        * _envelope(t, 0.015, 0.04)
        * 0.7
    )


def _flute(freq: float, length: float) -> Array:
    t = _time(length)
    breath = rng_of("breath", len(t)).normal(0, 0.03, len(t))
    return (
        (_harmonics(freq, t, np.array([1.0, 0.25, 0.08]), vibrato=0.2) + breath)
        * _envelope(t, 0.06, 0.08)
        * 0.8
    )


def _reed(freq: float, length: float) -> Array:
    t = _time(length)
    return np.tanh(
        1.6 * _harmonics(freq, t, np.array([0.7, 0.6, 0.5, 0.3, 0.22, 0.14, 0.08]), vibrato=0.25)
    ) * _envelope(t, 0.03, 0.06)


def _bass(freq: float, length: float) -> Array:
    t = _time(length)
    return np.tanh(
        1.5 * _harmonics(freq, t, np.array([1.0, 0.5, 0.28, 0.16, 0.1, 0.06])) * np.exp(-t * 2.2)
    ) * _envelope(t, 0.004, 0.04)


INSTRUMENTS: Mapping[str, Callable[[float, float], Array]] = {
    "piano": _piano,
    "electric": _electric,
    "guitar": _guitar,
    "distorted": _distorted,
    "bell": _bell,
    "vibes": _vibes,
    "synth": _synth,
    "strings": _strings,
    "organ": _organ,
    "flute": _flute,
    "reed": _reed,
    "bass": _bass,
}


def _kick() -> Array:
    t = _time(0.32)
    return np.sin(2 * np.pi * (46 * t - 18 * np.exp(-t * 26) / 26 * 8)) * np.exp(-t * 11) + 0.25 * np.exp(
        -t * 400
    )


def _snare() -> Array:
    t = _time(0.24)
    noise = rng_of("snare").normal(0, 0.6, len(t))
    return 0.55 * noise * np.exp(-t * 22) + 0.5 * np.sin(2 * np.pi * 186 * t) * np.exp(-t * 26)


def _hat(open_: bool = False) -> Array:
    t = _time(0.3 if open_ else 0.08)
    noise = np.diff(np.diff(rng_of("hat").normal(0, 0.5, len(t) + 2)))
    return noise * np.exp(-t * (11 if open_ else 60)) * 0.5


# -- styles


@dataclass(frozen=True, slots=True)
class Style:
    """How a band plays. `lead` and `chords` give the loudness of instruments, `drums` of the kit's parts.

    `tempo` in beats a minute, `swing` 0..0.33 of a beat, `drive` 0..1 calm to busy, `tone` 0..1 dull to sharp
    """

    tempo: float = 100.0
    swing: float = 0.0
    drive: float = 0.5
    tone: float = 0.7
    room: float = 0.15
    bass: float = 0.8
    scale: tuple[int, ...] = MINOR
    lead: Mapping[str, float] = field(default_factory=dict)
    chords: Mapping[str, float] = field(default_factory=dict)
    drums: Mapping[str, float] = field(default_factory=dict)


KIT: Mapping[str, float] = {"kick": 1.0, "snare": 0.8, "hat": 0.45}
BRUSHES: Mapping[str, float] = {"ride": 0.5, "kick": 0.4, "snare": 0.2}
FLOOR: Mapping[str, float] = {"four": 1.1, "offbeat": 0.6, "snare": 0.5}
SOFT: Mapping[str, float] = {"kick": 0.85, "snare": 0.55, "hat": 0.28}
STOMP: Mapping[str, float] = {"kick": 0.4, "hat": 0.25}

GENRES: Mapping[str, Style] = {
    "funk funky disco groove soul": Style(
        106, 0.04, 0.85, 0.8, 0.08, 1.0, DORIAN, {"synth": 0.8}, {"electric": 0.5}, {**KIT, "offbeat": 0.4}
    ),
    "jazz swing bebop blues": Style(
        126, 0.3, 0.6, 0.6, 0.2, 0.9, BLUES, {"reed": 0.7}, {"electric": 0.6}, BRUSHES
    ),
    "rap hip hop hiphop trap beat beats": Style(
        88, 0.08, 0.6, 0.55, 0.1, 1.1, MINOR, {"bell": 0.35}, {"electric": 0.5}, {**KIT, "kick": 1.2}
    ),
    "rock metal punk grunge": Style(
        132, 0.0, 0.8, 0.85, 0.12, 1.0, MINOR, {"distorted": 0.5}, {"distorted": 0.8}, {**KIT, "snare": 1.0}
    ),
    "techno house edm dance trance electro rave": Style(
        128, 0.0, 0.9, 0.9, 0.18, 1.0, MINOR, {"synth": 0.7}, {"strings": 0.4}, FLOOR
    ),
    "ambient drone calm meditation dreamy soundscape space": Style(
        66, 0.0, 0.25, 0.45, 0.6, 0.4, MAJOR, {"bell": 0.4}, {"strings": 0.9}, {}
    ),
    "classical orchestra symphony orchestral baroque": Style(
        92, 0.0, 0.55, 0.65, 0.4, 0.5, MAJOR, {"piano": 0.6}, {"strings": 0.8}, {}
    ),
    "reggae dub ska": Style(78, 0.05, 0.5, 0.6, 0.25, 1.2, MAJOR, {"reed": 0.4}, {"organ": 0.6}, SOFT),
    "lofi chill chillhop study": Style(
        80, 0.12, 0.4, 0.35, 0.25, 0.8, DORIAN, {"piano": 0.5}, {"electric": 0.7}, SOFT
    ),
    "country folk bluegrass acoustic": Style(
        112, 0.0, 0.6, 0.7, 0.12, 0.7, MAJOR, {"guitar": 0.8}, {"guitar": 0.7}, STOMP
    ),
    "pop happy summer": Style(116, 0.0, 0.65, 0.8, 0.15, 0.9, MAJOR, {"synth": 0.6}, {"piano": 0.6}, KIT),
}
"""By the words that call for it; the figures are in the order of Style's."""
VOICES: Mapping[str, str] = {
    "piano keys keyboard": "piano",
    "rhodes electric": "electric",
    "guitar banjo ukulele strumming": "guitar",
    "bell bells chimes church": "bell",
    "vibes vibraphone marimba xylophone": "vibes",
    "synth synthesizer arpeggio": "synth",
    "violin strings cello orchestra choir": "strings",
    "organ accordion": "organ",
    "flute whistle": "flute",
    "sax saxophone trumpet horn brass clarinet": "reed",
}
SEEDS: Mapping[str, tuple[Style, float, float]] = {
    "vibes": (Style(100, 0.0, 0.5, 0.7, 0.3, 0.4, MAJOR, {"vibes": 0.9}, {}, {}), 1.0, 0.0),
    "marim": (Style(112, 0.0, 0.8, 0.6, 0.15, 0.3, MAJOR, {"vibes": 1.0}, {"vibes": 0.4}, {}), 1.0, 0.0),
    "agile": (Style(138, 0.0, 1.0, 0.85, 0.1, 0.5, MINOR, {"synth": 0.9}, {}, {"hat": 0.4}), 1.0, 0.0),
    "motorway": (Style(124, 0.0, 0.7, 0.5, 0.35, 1.1, MINOR, {}, {"organ": 0.5}, {"four": 0.6}), 0.75, 0.0),
    "og_beat": (Style(90, 0.06, 0.6, 0.7, 0.08, 0.9, MINOR, {}, {}, KIT), 1.0, 0.0),
    "mask_beat_lines_80": (Style(94, 0.0, 0.7, 0.7, 0.05, 0.8, MINOR, {}, {"synth": 0.4}, KIT), 1.0, 0.8),
    "mask_gradient_dark": (Style(84, 0.0, 0.4, 0.3, 0.4, 0.9, MINOR, {}, {"strings": 0.7}, {}), 0.35, 0.0),
    "mask_gradient_top_70": (Style(96, 0.0, 0.5, 0.5, 0.2, 0.9, MINOR, {}, {"strings": 0.5}, {}), 0.55, 0.0),
    "mask_graident_top_fifth_75": (
        Style(98, 0.0, 0.5, 0.6, 0.2, 0.9, MINOR, {}, {"strings": 0.5}, {}),
        0.75,
        0.0,
    ),
    "mask_top_third_75": (Style(100, 0.0, 0.5, 0.5, 0.15, 0.9, MINOR, {}, {"organ": 0.4}, {}), 0.6, 0.0),
    "mask_top_third_95": (Style(102, 0.0, 0.5, 0.5, 0.15, 0.9, MINOR, {}, {"organ": 0.4}, {}), 0.45, 0.0),
}
"""Each seed image: the music it stands for, how much treble it lets through, how deep its beat gates."""


def _style_of(prompt: str) -> Style:
    words = set(words_of(prompt))
    genres = [style for names, style in GENRES.items() if words & set(names.split())]
    style = (
        genres[0]
        if genres
        else Style(
            float(rng_of("tempo", prompt).integers(84, 128)),
            lead={"synth": 0.5},
            chords={"electric": 0.5},
            drums={"kick": 0.6, "hat": 0.3},
        )
    )
    voices = {voice: 0.9 for names, voice in VOICES.items() if words & set(names.split())}
    if voices:
        lead = {k: v * 0.3 for k, v in style.lead.items()} if genres else {}
        style = replace(style, lead={**lead, **voices})
        if "solo" in words or not genres:
            style = replace(style, chords={next(iter(voices)): 0.4}, drums=style.drums if genres else {})
    tempo = (
        1.25 if words & {"fast", "upbeat", "energetic"} else 0.8 if words & {"slow", "sad", "sleepy"} else 1.0
    )
    scale = (
        MINOR
        if words & {"sad", "dark", "minor"}
        else MAJOR
        if words & {"happy", "bright", "major"}
        else style.scale
    )
    drums = {**style.drums, **KIT} if words & {"drum", "drums", "percussion"} else style.drums
    return replace(style, tempo=style.tempo * tempo, scale=scale, drums=drums)


def _between(a: Style, b: Style, share: float) -> Style:
    """Every figure of the style `share` of the way from `a` to `b`; the nearer one's scale."""

    def each(x: Mapping[str, float], y: Mapping[str, float]) -> dict[str, float]:
        return {k: x.get(k, 0.0) * (1 - share) + y.get(k, 0.0) * share for k in sorted({*x, *y})}

    def lerp(x: float, y: float) -> float:
        return x + (y - x) * share

    return Style(lerp(a.tempo, b.tempo), lerp(a.swing, b.swing), lerp(a.drive, b.drive),
        lerp(a.tone, b.tone), lerp(a.room, b.room), lerp(a.bass, b.bass),
        b.scale if share >= 0.5 else a.scale, each(a.lead, b.lead), each(a.chords, b.chords),
        each(a.drums, b.drums))  # fmt: skip


# -- playing


class Score:
    """A place to write notes on; times in sixteenths."""

    def __init__(self, style: Style, key: float, rng: np.random.Generator) -> None:
        self.style, self.key, self.rng = style, key, rng
        self.step = 60 / style.tempo / 4
        self.steps = int(SECONDS / self.step) + 1
        self.sound = np.zeros(int(SECONDS * RATE))
        self._notes: dict[tuple[str, float, float], Array] = {}

    def pitch(self, degree: int, octave: int = 0) -> float:
        scale = self.style.scale
        return float(self.key * 2 ** (octave + degree // 7 + scale[degree % 7] / 12))

    def note(self, instrument: str, freq: float, length: float) -> Array:
        """The samples of one note, `length` in seconds; a note that comes again is not played again."""
        found = self._notes.get((instrument, freq, length))
        if found is None:
            found = self._notes[instrument, freq, length] = INSTRUMENTS[instrument](freq, length)
        return found

    def put(self, samples: Array, step: float, gain: float) -> None:
        swung = self.style.swing * self.step * 2 if round(step) % 4 == 2 else 0.0
        start = int((step * self.step + swung) * RATE)
        if gain < 0.02 or start >= len(self.sound):
            return
        part = samples[: len(self.sound) - start]
        self.sound[start : start + len(part)] += part * gain


PROGRESSIONS = ((0, 5, 3, 4), (0, 3, 4, 3), (0, 6, 5, 4), (0, 4, 5, 3), (0, 2, 3, 4))


def _play(style: Style, rng: np.random.Generator, key: float) -> Array:
    score = Score(style, key, rng)
    roots = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    _play_drums(score)
    _play_chords(score, roots)
    _play_bass(score, roots)
    _play_lead(score, roots)
    return score.sound


def _play_drums(score: Score) -> None:
    drums, kick, snare, hat, ring = score.style.drums, _kick(), _snare(), _hat(), _hat(open_=True)
    for i in range(score.steps):
        beat = i % 16
        if beat in (0, 7, 10) and (beat != 7 or score.style.drive > 0.55):
            score.put(kick, i, 0.75 * drums.get("kick", 0))
        if beat % 4 == 0:
            score.put(kick, i, 0.75 * drums.get("four", 0))
        if beat in (4, 12):
            score.put(snare, i, 0.55 * drums.get("snare", 0))
        if i % 2 == 0 or score.style.drive > 0.8:
            score.put(hat, i, (0.5 if i % 4 else 0.8) * drums.get("hat", 0))
        if beat % 4 == 2:
            score.put(ring, i, 0.5 * drums.get("offbeat", 0))
        if beat in (0, 4, 6, 8, 12, 14):
            score.put(ring, i, 0.45 * drums.get("ride", 0))


def _play_chords(score: Score, roots: tuple[int, ...]) -> None:
    stabs = score.style.drive > 0.5
    for i in range(0, score.steps, 8):
        root = roots[i // 8 % 4]
        for name, loud in score.style.chords.items():
            starts = (
                ((0, 1.5), (3, 1.0), (6, 1.5)) if stabs and name not in ("strings", "organ") else ((0, 7.5),)
            )
            for offset, length in starts:
                for degree in (0, 2, 4, 6 if stabs else 7):
                    note = score.note(name, score.pitch(root + degree, 1), length * score.step)
                    score.put(note, i + offset, 0.13 * loud)


def _play_bass(score: Score, roots: tuple[int, ...]) -> None:
    pattern = (
        ((0, 0), (3, 0), (4, 7), (6, 4), (7, 0)) if score.style.drive > 0.6 else ((0, 0), (4, 4), (6, 0))
    )
    for i in range(0, score.steps, 8):
        for offset, degree in pattern:
            note = score.note("bass", score.pitch(roots[i // 8 % 4] + degree, -1), 1.6 * score.step)
            score.put(note, i + offset, 0.34 * score.style.bass)


def _play_lead(score: Score, roots: tuple[int, ...]) -> None:
    degree, i = 4, 0
    while i < score.steps:
        length = int(score.rng.choice([1, 2, 2, 4] if score.style.drive > 0.5 else [2, 4, 4, 8]))
        if score.rng.random() < 0.55 + 0.4 * score.style.drive:
            home = roots[i // 8 % 4]
            degree = int(np.clip(degree + score.rng.integers(-2, 3), 0, 9))
            pitch = score.pitch(degree if i % 4 else home + 2 * int(score.rng.integers(0, 3)), 2)
            for name, loud in score.style.lead.items():
                score.put(score.note(name, pitch, length * score.step * 0.95), i, 0.3 * loud)
        i += length


# -- finishing


def _filtered(sound: Array, tone: float, treble: float, gate: float, step: float) -> Array:
    """Duller for a low tone, without the treble that a mask takes away, chopped on the beat by a gate."""
    spectrum = np.fft.rfft(sound)
    freqs = np.fft.rfftfreq(len(sound), 1 / RATE)
    cutoff = 900 * 18 ** np.clip(tone, 0, 1) * (0.15 + 0.85 * treble)
    sound = np.fft.irfft(spectrum / np.sqrt(1 + (freqs / cutoff) ** 4), len(sound))
    beat = (np.arange(len(sound)) / RATE / (2 * step)) % 1
    return np.asarray(sound * (1 - gate * np.clip((beat - 0.45) * 8, 0, 1)))


def _with_room(sound: Array, amount: float) -> Array:
    t = _time(1.4)
    tail = rng_of("room").normal(0, 1, len(t)) * np.exp(-t * 4.2)
    size = 1 << (len(sound) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail / np.sqrt((tail**2).sum()), size), size)[
        : len(sound)
    ]
    return np.asarray(sound + amount * wet)


def _levelled(sound: Array) -> Array:
    """Soft-limited to a steady loudness, never above 0.9, with its ends faded so that nothing clicks."""
    sound = sound - sound.mean()
    sound = sound / max(float(np.sqrt((sound**2).mean())), 1e-6) * 0.16
    fade = np.clip(np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (0.012 * RATE), 0, 1)
    return np.asarray(np.tanh(sound * 1.15) * 0.9 * fade)


def music(work: Work, report: Report) -> Iterator[Piece]:
    """About five seconds of sound, and its spectrogram."""
    put = work.inputs
    chosen = SEEDS.get(str(put["seed_image_id"]))
    if chosen is None:
        raise ModelError(f"Seed image not found: {put['seed_image_id']}")
    steps = int(put["num_inference_steps"])
    bar = Bar(report, steps)
    seed_style, treble, gate = chosen
    style, words = _style_of(str(put["prompt_a"])), [str(put["prompt_a"])]
    if put.get("prompt_b"):
        style = _between(style, _style_of(str(put["prompt_b"])), float(put["alpha"]))
        words.append(str(put["prompt_b"]))
    far = float(put["denoising"])
    style = _between(seed_style, style, far)
    rng = rng_of("music", work.seed, words[0])
    sound = _play(style, rng, 110 * 2 ** (int(rng.integers(0, 12)) / 12))
    bar.reach(0.6)
    sound = _filtered(sound, style.tone, treble + (1 - treble) * far, gate * (1 - far), 60 / style.tempo / 4)
    sound = _levelled(
        _with_room(sound, style.room) + rng.normal(0, 0.004 * max(0.0, 1 - steps / 50), len(sound))
    )
    bar.reach(0.8)
    note = " / ".join(words)
    picture = captioned(spectrogram(sound), "sandbox")
    bar.reach(1.0)
    yield Piece("audio", "gen_sound.wav", wav(sound, RATE, note), "audio/wav")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90, comment=f"{MAKER}: {note}")
    yield Piece("spectrogram", "spectrogram.jpg", out.getvalue(), "image/jpeg")


def spectrogram(sound: Array) -> Image.Image:
    """512x512: time to the right, pitch upward on the mel scale up to 10 kHz, loudness as brightness."""
    size, columns = 4096, 512
    starts = np.linspace(0, len(sound), columns, endpoint=False).astype(int)
    padded = np.pad(sound, (size // 2, size))
    frames = np.stack([padded[s : s + size] for s in starts]) * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1))
    mel = np.linspace(0, 2595 * np.log10(1 + 10_000 / 700), 512)
    bins = 700 * (10 ** (mel / 2595) - 1) * size / RATE
    rows = np.stack([np.interp(bins, np.arange(power.shape[1]), column) for column in power], axis=1)[::-1]
    light = np.clip(1 + np.log10(rows / rows.max() + 1e-6) / 3.2, 0, 1)
    stops = np.array(
        [(0, 8, 6, 22), (0.3, 66, 22, 96), (0.6, 196, 58, 92), (0.82, 250, 150, 60), (1, 255, 248, 206)]
    )
    channels = [np.interp(light, stops[:, 0], stops[:, i]) for i in (1, 2, 3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
