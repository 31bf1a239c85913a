"""The sandbox's models give real media of the right kind, size and length, computed from their inputs."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Mapping
from functools import cache
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bot.sandbox.art import MODELS, make
from bot.sandbox.art.encode import Mp4
from bot.sandbox.art.hole import hole_of
from bot.sandbox.art.motion import MAX_FILM
from bot.sandbox.art.progress import Bar
from bot.sandbox.art.scene import scene, stage
from bot.sandbox.art.words import Subject, understand
from bot.sandbox.work import ModelError, Piece, Stopped, Work
from tests.sampling import a_sample

Files = Mapping[str, tuple[bytes, ...]]
SIZE = 128

DIFFUSION = {"num_inference_steps": 50, "guidance_scale": 7.5, "scheduler": "DPMSolverMultistep"}
FLUX = {
    "prompt": "a lighthouse", "aspect_ratio": "1:1", "prompt_strength": 0.8, "num_outputs": 1,
    "num_inference_steps": 4, "output_format": "webp", "output_quality": 80, "lora_scale": 0.8,
}  # fmt: skip
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "animate": {
        "prompt_start": "a fox in snow", "prompt_end": "a fox in flowers", "width": SIZE, "height": SIZE,
        "num_inference_steps": 50, "prompt_strength": 0.8, "num_animation_frames": 3,
        "num_interpolation_steps": 3, "guidance_scale": 7.5,
        "gif_frames_per_second": 20, "gif_ping_pong": False,
        "film_interpolation": True, "intermediate_output": False, "output_format": "gif",
    },
    "motion": {
        "motion_module": "mm_sd_v14", "path": "toonyou_beta3.safetensors", "prompt": "a fox in flowers",
        "n_prompt": "", "steps": 25, "guidance_scale": 7.5,
    },
    "video": {
        "prompt": "a whale at sunset", "size": "160*96", "frame_num": 9, "sample_shift": 16,
        "sample_steps": 50, "speed_mode": "Lightly Juiced 🍊 (more consistent)", "sample_solver": "unipc",
        "sample_guide_scale": 5.0,
    },
    "music": {
        "prompt_a": "funky synth solo", "denoising": 0.75, "alpha": 0.5, "num_inference_steps": 50,
        "seed_image_id": "vibes",
    },
    "imagine": {
        **DIFFUSION, "prompt": "a fox in snow", "negative_prompt": "", "width": SIZE, "height": SIZE,
        "num_outputs": 1, "prompt_strength": 0.8, "refine": "no_refiner", "high_noise_frac": 0.8,
        "apply_watermark": True, "lora_scale": 0.6,
    },
    "draw": {**DIFFUSION, "prompt": "a fox in snow", "width": SIZE, "height": SIZE, "num_outputs": 1},
    "flux": FLUX,
    "fluxdev": {**FLUX, "num_inference_steps": 28, "guidance_scale": 3.5},
    "inpaint": {**DIFFUSION, "prompt": "a red balloon", "width": SIZE, "height": SIZE, "num_outputs": 1},
    "restyle": {**DIFFUSION, "prompt": "an autumn forest", "prompt_strength": 0.8, "num_outputs": 1},
    "edit": {
        "prompt": "make it night", "aspect_ratio": "match_input_image", "num_inference_steps": 28,
        "guidance": 2.5, "output_format": "webp", "output_quality": 80, "go_fast": True,
    },
    "erase": {"objects_to_remove": "person,car"},
    "cutout": {},
}  # fmt: skip


# -- what goes in


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def fox(side: int = SIZE) -> Image.Image:
    return stage("a fox in snow", side, side, 42).picture()


def mask_of(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return mask


HOLE = (64, 16, 120, 72)
FILES: Mapping[str, Files] = {
    "inpaint": {"image": (as_png(fox()),), "mask": (as_png(mask_of((SIZE, SIZE), HOLE)),)},
    "restyle": {"image": (as_png(fox()),)},
    "edit": {"input_image": (as_png(fox()),)},
    "erase": {"image_path": (as_png(fox()),)},
    "cutout": {"image": (as_png(fox()),)},
}


def filmed(frames: int, size: tuple[int, int] = (160, 96), fps: int = 16) -> bytes:
    """A film of a square that moves over a slope of colours."""
    film = Mp4(*size, fps, "test")
    try:
        for i in range(frames):
            ramp = np.linspace(40, 210, size[0], dtype=np.uint8)
            ground = np.broadcast_to(ramp[None, :, None], (size[1], size[0], 3)).copy()
            ground[20:60, 8 + 6 * i : 48 + 6 * i] = (220, 40, 40)
            film.add(Image.fromarray(ground))
        return film.finish()
    finally:
        film.close()


# -- what comes out


def run(command: str, files: Files | None = None, seed: int = 42, **inputs: Any) -> list[Piece]:
    work = Work(
        command, {**DEFAULTS[command], **inputs}, FILES.get(command, {}) if files is None else files, seed
    )
    return list(make(work, lambda text: None))


@cache
def ordinary(command: str) -> tuple[Piece, ...]:
    """What a command gives with its defaults, computed once."""
    return tuple(run(command))


def logs_of(command: str, **inputs: Any) -> str:
    logs: list[str] = []
    list(make(Work(command, {**DEFAULTS[command], **inputs}, FILES.get(command, {}), 42), logs.append))
    return "".join(logs)


def opened(piece: Piece) -> Image.Image:
    with Image.open(io.BytesIO(piece.data)) as picture:
        picture.load()
        return picture.copy()


def pixels(piece: Piece) -> NDArray[np.float32]:
    return np.asarray(opened(piece).convert("RGB"), np.float32)


def frames_of(data: bytes) -> list[NDArray[np.float32]]:
    with av.open(io.BytesIO(data), "r") as box:
        return [frame.to_ndarray(format="rgb24").astype(np.float32) for frame in box.decode(video=0)]


def difference(a: Any, b: Any) -> float:
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def samples_of(piece: Piece) -> NDArray[np.float64]:
    with wave.open(io.BytesIO(piece.data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 44100)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768


# -- every model


def test_all_thirteen_commands_have_a_model() -> None:
    assert set(MODELS) == set(DEFAULTS)
    assert len(MODELS) == 13


@pytest.mark.parametrize("command", a_sample(MODELS, 3))
def test_the_same_work_gives_the_same_bytes(command: str) -> None:
    assert tuple(run(command)) == ordinary(command)


SEEDLESS = {"erase", "cutout"}


@pytest.mark.parametrize("command", a_sample(sorted(set(MODELS) - SEEDLESS), 3))
def test_another_seed_gives_something_else(command: str) -> None:
    assert run(command, seed=2)[0].data != ordinary(command)[0].data


@pytest.mark.parametrize("command", a_sample(MODELS, 3))
def test_a_cancel_stops_the_work_before_anything_comes_out(command: str) -> None:
    def cancelled(text: str) -> None:
        raise Stopped

    work = Work(command, DEFAULTS[command], FILES.get(command, {}), 42)
    with pytest.raises(Stopped):
        next(make(work, cancelled))


@pytest.mark.parametrize("command", a_sample(["animate", "motion", "video", "imagine", "edit"], 3))
def test_a_cancel_is_noticed_again_and_again_along_the_way(command: str) -> None:
    calls: list[str] = []
    list(make(Work(command, DEFAULTS[command], FILES.get(command, {}), 42), calls.append))
    for after in (len(calls) // 2, len(calls) - 2):
        left = iter(range(after))

        def report(text: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise Stopped

        with pytest.raises(Stopped):
            list(make(Work(command, DEFAULTS[command], FILES.get(command, {}), 42), report))


PROGRESS = re.compile(r"^\s*(\d+)%\s*\|.+?\|\s*(\d+)\/(\d+)", re.MULTILINE)
STEPS = {
    "motion": 25, "video": 50, "music": 50, "imagine": 50, "draw": 50, "flux": 4, "fluxdev": 28,
    "inpaint": 50, "restyle": 50, "edit": 28,
}  # fmt: skip


@pytest.mark.parametrize("command", STEPS)
def test_progress_is_logged_in_the_form_that_clients_read(command: str) -> None:
    found = [tuple(map(int, line)) for line in PROGRESS.findall(logs_of(command))]
    steps = STEPS[command]
    assert found[0] == (0, 0, steps)
    assert found[-1] == (100, steps, steps)
    assert found == sorted(found)
    assert len(found) > 3


def test_a_bar_looks_like_tqdms() -> None:
    lines: list[str] = []
    clock = iter([0.0, 0.0, 1.25])
    bar = Bar(lines.append, 50, now=lambda: next(clock))
    bar.reach(0.5)
    assert lines == [
        "  0%|          | 0/50 [00:00<?, ?it/s]\n",
        " 50%|█████     | 25/50 [00:01<00:01, 20.0it/s]\n",
    ]


def test_a_long_run_does_not_flood_the_logs() -> None:
    assert len(logs_of("draw", num_inference_steps=500).splitlines()) <= 52


@pytest.mark.parametrize(
    ("command", "name"),
    [("inpaint", "image"), ("inpaint", "mask"), ("restyle", "image"), ("edit", "input_image"),
     ("erase", "image_path"), ("cutout", "image")],
)  # fmt: skip
def test_bytes_that_are_no_picture_fail_with_the_inputs_name(command: str, name: str) -> None:
    for broken in (b"hello", as_png(fox())[:900]):
        with pytest.raises(ModelError, match=name):
            run(command, {**FILES[command], name: (broken,)})


@pytest.mark.parametrize("command", ["inpaint", "restyle", "edit", "erase", "cutout"])
def test_a_picture_that_is_missing_fails_in_words(command: str) -> None:
    with pytest.raises(ModelError, match="missing"):
        run(command, {})


def test_an_unknown_command_fails_in_words() -> None:
    with pytest.raises(ModelError, match="juggle"):
        list(make(Work("juggle", {}, {}, 1), lambda text: None))


# -- scenes


def test_a_prompt_is_understood() -> None:
    idea = understand("two red foxes and a blue whale in a snowy forest at night, pencil sketch")
    assert [subject.figure for subject in idea.subjects] == ["fox", "fox", "whale"]
    assert idea.subjects[0].colour != idea.subjects[2].colour
    assert (idea.place, idea.season, idea.time, idea.styles) == ("forest", "winter", "night", ("sketch",))


def test_a_thing_named_by_two_words_is_one_thing() -> None:
    assert understand("a cup of coffee").subjects == (Subject("cup"),)
    assert understand("a cat and a cat").subjects == (Subject("cat"),) * 2


def test_what_the_negative_prompt_names_stays_out() -> None:
    assert understand("a fox in snow, rain", "snow").season == ""
    assert understand("a fox and a cat", "cat").subjects == (Subject("fox"),)


def test_a_fox_in_snow_is_orange_on_white_and_a_fox_in_flowers_on_colours() -> None:
    snow, flowers = (
        np.asarray(scene(f"a fox in {place}", 256, 256, 42), np.float32) for place in ("snow", "flowers")
    )
    for picture in (snow, flowers):
        middle = picture[100:200, 80:176]
        orange = (middle[..., 0] > 180) & (middle[..., 1] < 150) & (middle[..., 2] < 90)
        assert orange.mean() > 0.2
    ground = np.s_[215:245, :]
    assert (snow[ground].max(axis=-1) - snow[ground].min(axis=-1)).mean() < 40
    assert (flowers[ground].max(axis=-1) - flowers[ground].min(axis=-1)).mean() > 80


def test_words_that_mean_nothing_still_give_each_its_own_picture() -> None:
    drawn = [scene(prompt, 96, 96, 1) for prompt in ("entropy", "bureaucracy", "the colour of regret", "")]
    for i, one in enumerate(drawn):
        for other in drawn[i + 1 :]:
            assert difference(one, other) > 1


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (64, 1024), (1024, 64), (328, 200)])
def test_a_scene_has_any_size_exactly(size: tuple[int, int]) -> None:
    for prompt in (
        "a fox in snow",
        "three whales at sea",
        "an astronaut riding a unicorn in a city at night",
    ):
        assert scene(prompt, *size, 7).size == size


# -- animate


def test_the_animation_counts_its_frames_as_the_model_does() -> None:
    gif = opened_gif(ordinary("animate")[-1].data)
    assert (gif.size, len(gif.frames)) == ((SIZE, SIZE), 3 * 4)
    assert gif.durations == [50] * 12
    assert gif.loops


class opened_gif:  # noqa: N801  # reads as a verb
    def __init__(self, data: bytes) -> None:
        with Image.open(io.BytesIO(data)) as gif:
            assert gif.format == "GIF"
            self.size, self.loops = gif.size, gif.info.get("loop") == 0
            self.frames, self.durations = [], []
            for i in range(getattr(gif, "n_frames", 1)):
                gif.seek(i)
                self.frames.append(gif.convert("RGB"))
                self.durations.append(gif.info["duration"])


@pytest.mark.parametrize(
    ("inputs", "count"),
    [
        ({"film_interpolation": False}, 3 * 3),
        ({"gif_ping_pong": True}, 2 * 3 * 4),
        ({"prompt_end": "a cat|a whale | a car"}, 3 * 3 * 4),
        ({"num_animation_frames": 2, "num_interpolation_steps": 1}, 2),
    ],
)
def test_pairs_ping_pong_and_interpolation_change_the_count(inputs: dict[str, Any], count: int) -> None:
    assert len(opened_gif(run("animate", **inputs)[-1].data).frames) == count


def test_the_animation_goes_from_the_start_prompts_picture_to_the_end_prompts() -> None:
    frames = opened_gif(ordinary("animate")[-1].data).frames
    start, end = (stage(f"a fox in {place}", SIZE, SIZE, 42).picture() for place in ("snow", "flowers"))
    over_caption = (0, 0, SIZE, SIZE - 24)
    first, middle, last, start, end = (
        picture.crop(over_caption) for picture in (frames[0], frames[6], frames[-1], start, end)
    )
    assert difference(first, start) < 6 < 20 < difference(first, end)
    assert difference(last, end) < 9 < 20 < difference(last, start)
    assert min(difference(middle, start), difference(middle, end)) > 8


def test_ping_pong_comes_back_to_the_start() -> None:
    frames = opened_gif(run("animate", gif_ping_pong=True)[-1].data).frames
    assert difference(frames[-1], frames[0]) < 12 < difference(frames[-1], frames[len(frames) // 2])


def test_the_animation_as_mp4_has_the_same_frames() -> None:
    (film,) = run("animate", output_format="mp4", gif_frames_per_second=10)
    assert (film.filename, film.mime) == ("output.mp4", "video/mp4")
    with av.open(io.BytesIO(film.data), "r") as box:
        stream = box.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.frames) == (SIZE, SIZE, 12)
        assert stream.average_rate == 10


def test_intermediate_output_gives_each_generated_frame_before_the_film() -> None:
    pieces = run("animate", intermediate_output=True)
    assert [piece.part for piece in pieces] == ["frame"] * 3 + ["film"]
    assert {opened(piece).size for piece in pieces[:3]} == {(SIZE, SIZE)}
    assert len(run("animate", intermediate_output=True, film_interpolation=False)) == 3 * 3 + 1


def test_the_animation_logs_its_key_frames_and_no_bar() -> None:
    logs = logs_of("animate", prompt_end="a cat|a dog")
    assert logs.splitlines() == [f"Generating frame {i} of keyframe {k}" for k in (0, 1) for i in (0, 1, 2)]


def test_a_figure_that_stays_or_changes_or_comes_is_drawn_all_the_way() -> None:
    for end in ("a whale at sea", "three cats", "a fog"):
        frames = opened_gif(run("animate", prompt_end=end)[-1].data).frames
        assert len(frames) == 12


def test_too_large_a_film_fails_in_words_at_once() -> None:
    with pytest.raises(ModelError, match="at most"):
        run("animate", width=1024, height=768, num_animation_frames=50, num_interpolation_steps=50)
    with pytest.raises(ModelError, match="at most"):
        run("video", frame_num=MAX_FILM)
    with pytest.raises(ModelError, match="at least one"):
        run("video", frame_num=0)


# -- motion and video


def test_motion_is_two_seconds_of_512_by_512() -> None:
    (film,) = ordinary("motion")
    with av.open(io.BytesIO(film.data), "r") as box:
        stream = box.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (512, 512, 16)
        assert stream.average_rate == 8
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    frames = frames_of(film.data)
    assert difference(frames[0], frames[-1]) > 1


def test_the_checkpoint_and_the_motion_module_show() -> None:
    plain = frames_of(ordinary("motion")[0].data)
    other = frames_of(run("motion", path="lyriel_v16.safetensors")[0].data)
    assert difference(plain[0], other[0]) > 3
    panned = frames_of(run("motion", motion_module="mm_sd_v15")[0].data)
    assert difference(plain[-1], panned[-1]) > 1


def test_a_film_has_the_size_and_length_asked_for() -> None:
    (film,) = run("video", size="96*160", frame_num=17)
    with av.open(io.BytesIO(film.data), "r") as box:
        stream = box.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (96, 160, 17)
        assert stream.average_rate == 16
        assert stream.pix_fmt == "yuv420p"


@pytest.mark.parametrize("size", ["large", "3*5", "100*", "101*100"])
def test_a_size_that_makes_no_film_fails_in_words(size: str) -> None:
    with pytest.raises(ModelError, match="size"):
        run("video", size=size)


MASKED = (96, 24, 144, 80)


@pytest.mark.parametrize("kind", ["picture", "film"])
def test_a_film_is_changed_under_its_mask_and_nowhere_else(kind: str) -> None:
    source = filmed(9)
    mask = mask_of((160, 96), MASKED)
    data = as_png(mask)
    if kind == "film":
        film = Mp4(160, 96, 16, "mask")
        for _ in range(9):
            film.add(mask.convert("RGB"))
        data = film.finish()
        film.close()
    (edited,) = run("video", {"src_video": (source,), "src_mask": (data,)}, prompt="a fox in flowers")
    before, after = frames_of(source), frames_of(edited.data)
    assert len(after) == 9
    outside = np.ones((96, 160), bool)
    outside[MASKED[1] - 4 : MASKED[3] + 4, MASKED[0] - 4 : MASKED[2] + 4] = False
    for old, new in zip(before, after, strict=True):
        assert np.abs(old - new)[outside].mean() < 3
        assert np.abs(old - new)[30:74, 102:138].mean() > 15


def test_a_film_without_a_mask_is_restyled_and_stays_recognisable() -> None:
    source = filmed(9)
    (edited,) = run("video", {"src_video": (source,)}, prompt="winter snow")
    for old, new in zip(frames_of(source), frames_of(edited.data), strict=True):
        assert 5 < difference(old, new) < 110
        assert np.corrcoef(old.mean(axis=-1).ravel(), new.mean(axis=-1).ravel())[0, 1] > 0.2


def test_a_mask_of_nothing_leaves_the_film_as_it_is() -> None:
    source = filmed(5)
    black = as_png(Image.new("L", (160, 96)))
    (edited,) = run("video", {"src_video": (source,), "src_mask": (black,)}, frame_num=5)
    assert difference(frames_of(source), frames_of(edited.data)) < 3


def test_a_source_that_is_too_short_starts_again() -> None:
    source = filmed(4)
    black = as_png(Image.new("L", (160, 96)))
    (edited,) = run("video", {"src_video": (source,), "src_mask": (black,)}, frame_num=8)
    after = frames_of(edited.data)
    assert len(after) == 8
    assert 2 * difference(after[0], after[4]) < difference(after[0], after[3])


def test_reference_pictures_come_into_the_film() -> None:
    reference = as_png(stage("a robot in the desert", 256, 256, 1).picture())
    without, with_it = ordinary("video"), run("video", {"src_ref_images": (reference,)})
    assert difference(frames_of(without[0].data)[0], frames_of(with_it[0].data)[0]) > 3


def test_a_source_that_is_no_film_fails_in_words() -> None:
    for name in ("src_video", "src_mask"):
        with pytest.raises(ModelError, match=name):
            run("video", {"src_video": (filmed(2),), name: (b"no film at all",)})


def test_the_faster_modes_draw_coarser() -> None:
    fine = frames_of(ordinary("video")[0].data)[4]
    coarse = frames_of(run("video", speed_mode="Extra Juiced 🚀 (even more speed)")[0].data)[4]
    assert np.abs(np.diff(coarse, axis=1)).mean() < np.abs(np.diff(fine, axis=1)).mean()


# -- music


def test_music_can_be_heard_and_does_not_clip() -> None:
    for prompt in ("funky synth solo", "ambient drone", "rock guitar", "church bells", "unheard of"):
        sound, picture = run("music", prompt_a=prompt)
        heard = samples_of(sound)
        assert (sound.part, sound.mime, picture.part) == ("audio", "audio/wav", "spectrogram")
        assert 5.0 < len(heard) / 44100 < 5.2
        assert 0.08 < heard.std() < 0.3
        assert 0.3 < np.abs(heard).max() < 0.95
        assert opened(picture).size == (512, 512)
        assert opened(picture).format is None or picture.mime == "image/jpeg"


def test_the_spectrogram_shows_the_sound() -> None:
    dull, bright = (
        run("music", prompt_a="ambient drone", denoising=1.0),
        run("music", prompt_a="techno", denoising=1.0),
    )

    def treble(pieces: list[Piece]) -> float:
        return float(pixels(pieces[1])[:150].mean())

    assert treble(bright) > treble(dull) * 1.3


def test_alpha_leads_from_the_first_prompt_to_the_second() -> None:
    alone = samples_of(run("music", prompt_a="piano")[0])
    at_start = samples_of(run("music", prompt_a="piano", prompt_b="techno", alpha=0.0)[0])
    half = samples_of(run("music", prompt_a="piano", prompt_b="techno", alpha=0.5)[0])
    assert np.array_equal(alone, at_start)
    assert not np.array_equal(alone[:1000], half[:1000])


def test_the_seed_image_and_denoising_change_what_is_played() -> None:
    played = {
        run("music", seed_image_id=seed, denoising=far)[0].data
        for seed in ("vibes", "og_beat", "mask_gradient_dark")
        for far in (0.2, 0.9)
    }
    assert len(played) == 6


def test_an_unknown_seed_image_fails_in_words() -> None:
    with pytest.raises(ModelError, match="nowhere"):
        run("music", seed_image_id="nowhere")


# -- pictures from words


@pytest.mark.parametrize("command", ["imagine", "draw"])
def test_as_many_pngs_as_asked_for_of_the_size_asked_for(command: str) -> None:
    pieces = run(command, width=192, height=64, num_outputs=3)
    assert [piece.part for piece in pieces] == ["image"] * 3
    assert len({piece.filename for piece in pieces}) == 3
    assert len({piece.data for piece in pieces}) == 3
    for piece in pieces:
        assert piece.mime == "image/png"
        assert opened(piece).size == (192, 64)


@pytest.mark.parametrize(
    ("aspect", "size"),
    a_sample([("1:1", (1024, 1024)), ("16:9", (1344, 768)), ("9:21", (640, 1536)), ("4:5", (896, 1088))], 2),
)
def test_flux_draws_a_megapixel_in_the_shape_asked_for(aspect: str, size: tuple[int, int]) -> None:
    assert opened(run("flux", aspect_ratio=aspect)[0]).size == size


@pytest.mark.parametrize(("form", "kind"), [("webp", "WEBP"), ("jpg", "JPEG"), ("png", "PNG")])
def test_flux_writes_the_format_asked_for(form: str, kind: str) -> None:
    (piece,) = run("fluxdev", output_format=form)
    assert piece.filename.endswith(f".{form}")
    with Image.open(io.BytesIO(piece.data)) as picture:
        assert picture.format == kind
        assert Image.MIME[kind] == piece.mime


def test_less_quality_takes_fewer_bytes() -> None:
    sizes = [len(run("flux", output_quality=quality)[0].data) for quality in (10, 80, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_prompt_strength_goes_from_the_start_picture_to_the_prompts() -> None:
    start = {"image": (as_png(stage("a cat on a beach", SIZE, SIZE, 3).picture()),)}
    at = {s: pixels(run("imagine", start, prompt_strength=s)[0]) for s in (0.0, 0.5, 1.0)}
    given, drawn = (
        np.asarray(stage("a cat on a beach", SIZE, SIZE, 3).picture()),
        pixels(ordinary("imagine")[0]),
    )
    body = np.s_[:-24]
    assert difference(at[0.0][body], given[body]) < 0.5
    assert difference(at[1.0][body], drawn[body]) < 0.5
    assert difference(at[0.5][body], given[body]) > 5
    assert difference(at[0.5][body], drawn[body]) > 5


def test_a_picture_started_from_another_takes_its_shape() -> None:
    wide = {"image": (as_png(Image.new("RGB", (1500, 1000), (90, 120, 180))),)}
    for command in ("imagine", "flux", "restyle"):
        assert opened(run(command, wide)[0]).size == (1024, 680)


def test_sdxl_repaints_inside_of_its_mask_only() -> None:
    for refine in ("no_refiner", "base_image_refiner"):
        piece = run("imagine", FILES["inpaint"], refine=refine)[0]
        check_kept_outside(pixels(piece), np.asarray(fox(), np.float32))


def check_kept_outside(after: NDArray[np.float32], before: NDArray[np.float32]) -> None:
    kept = np.ones((SIZE, SIZE), bool)
    kept[HOLE[1] : HOLE[3], HOLE[0] : HOLE[2]] = False
    assert np.array_equal(after[kept], before[kept])
    assert np.abs(after - before)[~kept].mean() > 5


@pytest.mark.parametrize(
    ("refine", "bars"),
    [("no_refiner", [50]), ("expert_ensemble_refiner", [40, 10]), ("base_image_refiner", [50, 7])],
)
def test_sdxl_has_a_second_bar_where_it_refines(refine: str, bars: list[int]) -> None:
    logs = logs_of("imagine", refine=refine, refine_steps=7)
    assert [int(total) for percent, _, total in PROGRESS.findall(logs) if percent == "0"] == bars


@pytest.mark.parametrize(
    "change",
    [
        {"guidance_scale": 20},
        {"num_inference_steps": 5},
        {"scheduler": "K_EULER_ANCESTRAL"},
        {"refine": "base_image_refiner"},
        {"negative_prompt": "snow"},
        {"apply_watermark": False},
        {"replicate_weights": "https://example.com/lora.tar"},
    ],
)
def test_every_knob_of_sdxl_shows_in_the_picture(change: dict[str, Any]) -> None:
    assert difference(pixels(ordinary("imagine")[0]), pixels(run("imagine", **change)[0])) > 0.05


def test_a_lora_tints_by_its_name_and_scale() -> None:
    plain = pixels(ordinary("flux")[0])
    weak, strong = (pixels(run("flux", hf_lora="someone/style", lora_scale=s)[0]) for s in (0.1, 1.0))
    assert difference(plain, weak) < difference(plain, strong)
    assert difference(strong, pixels(run("flux", hf_lora="another/style", lora_scale=1.0)[0])) > 2


def test_sizes_that_no_picture_can_have_fail_in_words() -> None:
    with pytest.raises(ModelError, match="divisible by 8"):
        run("imagine", width=1001)
    for side in (0, -8, 80_000):
        with pytest.raises(ModelError, match="pixels"):
            run("imagine", width=side)


# -- pictures from pictures


def test_inpainting_keeps_what_is_black_exactly() -> None:
    piece = ordinary("inpaint")[0]
    assert opened(piece).size == (SIZE, SIZE)
    check_kept_outside(pixels(piece), np.asarray(fox(), np.float32))


def test_inpainting_resizes_picture_and_mask() -> None:
    assert opened(run("inpaint", width=192, height=64)[0]).size == (192, 64)


def test_a_mask_without_white_changes_nothing() -> None:
    black = {**FILES["inpaint"], "mask": (as_png(Image.new("L", (SIZE, SIZE))),)}
    assert difference(pixels(run("inpaint", black)[0]), fox()) == 0
    assert hole_of(Image.new("L", (9, 9)), (9, 9)) is None


def test_even_a_hole_of_a_pixel_is_filled() -> None:
    dot = {**FILES["inpaint"], "mask": (as_png(mask_of((SIZE, SIZE), (60, 60, 61, 61))),)}
    assert difference(pixels(run("inpaint", dot)[0])[60, 60], np.asarray(fox())[60, 60]) > 0


def test_restyling_keeps_the_composition() -> None:
    after = pixels(run("restyle", prompt_strength=0.5)[0])
    before = np.asarray(fox(), np.float32)
    body = np.s_[:-20]
    assert difference(after[body], before[body]) > 5
    assert np.corrcoef(after[body].mean(axis=-1).ravel(), before[body].mean(axis=-1).ravel())[0, 1] > 0.5


def edited(prompt: str, source: Image.Image | None = None, **inputs: Any) -> Image.Image:
    files = {"input_image": (as_png(source or fox(256)),)}
    return opened(
        run("edit", files, **{"prompt": prompt, "output_format": "jpg", "output_quality": 95, **inputs})[0]
    )


def test_an_edit_keeps_the_shape_at_a_megapixel_or_takes_the_one_asked_for() -> None:
    assert edited("make it night", Image.new("RGB", (300, 200), (99, 140, 80))).size == (1248, 832)
    assert edited("make it night", aspect_ratio="16:9").size == (1344, 768)


def test_an_instruction_does_what_it_says() -> None:
    plain = np.asarray(edited("sharpen").resize((256, 256)), np.float32)
    night = np.asarray(edited("make it night").resize((256, 256)), np.float32)
    assert night.mean() < plain.mean() * 0.75
    grey = np.asarray(edited("black and white", output_format="png"), np.float32)[:900]
    assert np.ptp(grey, axis=-1).max() == 0
    blue = np.asarray(edited("turn the fox blue").resize((256, 256)), np.float32)[140:190, 100:150].mean(
        axis=(0, 1)
    )
    assert blue[2] > blue[0]
    flipped = np.asarray(edited("flip it"), np.float32)[:900, ::-1]
    assert difference(flipped, np.asarray(fox(256).resize((1024, 1024), Image.Resampling.LANCZOS))[:900]) < 4


@pytest.mark.parametrize(
    "prompt",
    a_sample(
        ["make it snow", "make it rain", "add flowers at sunset", "fog", "autumn", "pencil sketch", "3d clay",
     "pixel art", "neon", "blur the background", "remove the background", "put it on a beach",
     'write "HELLO" in 3d letters', "add a cat", "replace the fox with a robot", "rotate", "zoom in",
     "brighter", "a wish without a name"], 4),
)  # fmt: skip
def test_each_kind_of_instruction_changes_the_picture(prompt: str) -> None:
    before = fox(256).resize((1024, 1024), Image.Resampling.LANCZOS)
    assert difference(edited(prompt), before) > 1


def test_guidance_weakens_or_strengthens_an_edit() -> None:
    before = fox(256).resize((1024, 1024), Image.Resampling.LANCZOS)
    weak, strong = (difference(edited("make it night", guidance=g), before) for g in (0, 2.5))
    assert weak < strong


def test_erasing_takes_away_what_stands_out() -> None:
    source = Image.new("RGB", (300, 200), (120, 170, 220))
    ImageDraw.Draw(source).ellipse((110, 50, 190, 150), fill=(220, 60, 40))
    piece = run("erase", {"image_path": (as_png(source),)})[0]
    assert opened(piece).size == (256, 256)
    after = pixels(piece)[:220]
    assert after[..., 0].max() < 170
    assert difference(after, np.full_like(after, (120, 170, 220))) < 6


@pytest.mark.parametrize(
    ("names", "unknown"), [("Cat", "Cat"), ("car, cat", " cat"), ("", ""), ("car,fox", "fox")]
)
def test_names_that_the_model_does_not_know_fail_as_a_key_error(names: str, unknown: str) -> None:
    with pytest.raises(ModelError) as failed:
        run("erase", objects_to_remove=names)
    assert str(failed.value) == f"KeyError: {unknown!r}"


@pytest.mark.parametrize(
    "prompt", ["a fox in snow", "a penguin", "a house in the rain", "a horse in a meadow"]
)
def test_a_cut_out_has_real_transparency_round_its_subject(prompt: str) -> None:
    whole = stage(prompt, 320, 240, 42)
    (piece,) = run("cutout", {"image": (as_png(whole.picture()),)})
    cut = opened(piece)
    assert (cut.mode, cut.size, piece.mime) == ("RGBA", (320, 240), "image/png")
    alpha = np.asarray(cut.getchannel("A"))
    assert {0, 255} <= set(alpha.ravel().tolist())
    truth = Image.new("RGBA", (320, 240))
    for figure in whole.figures:
        truth.alpha_composite(figure.sprite, tuple(round(v) for v in figure.corner))
    solid, found = np.asarray(truth.getchannel("A")) > 128, alpha > 128
    assert (solid & found).sum() / (solid | found).sum() > 0.6


def test_a_cut_out_of_nothing_in_particular_is_neither_empty_nor_everything() -> None:
    for picture in (Image.new("RGB", (90, 70), (200, 30, 30)), Image.effect_noise((120, 80), 60)):
        (piece,) = run("cutout", {"image": (as_png(picture),)})
        assert opened(piece).getchannel("A").getextrema() == (0, 255)


# -- what the pieces say of themselves


def test_every_piece_names_the_sandbox_as_its_maker() -> None:
    for command in ("draw", "cutout", "erase", "music", "video", "flux"):
        assert any(b"sandbox" in piece.data for piece in ordinary(command))


def test_a_picture_bears_a_caption() -> None:
    bare, captioned = stage("a fox in snow", 512, 512, 42).picture(), scene("a fox in snow", 512, 512, 42)
    changed = np.abs(np.asarray(bare, np.int16) - np.asarray(captioned, np.int16)).max(axis=-1) > 0
    rows, columns = np.nonzero(changed)
    assert rows.min() > 470
    assert columns.max() < 160
