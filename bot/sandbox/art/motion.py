"""Films: the animation from prompt to prompt, a moving scene, and the edit of a film under its mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat

from PIL import Image, ImageOps

from bot.sandbox.art.brush import stamp
from bot.sandbox.art.edit import blended, inside
from bot.sandbox.art.encode import Film, Gif, Mp4, on_white, png, read_film, read_picture
from bot.sandbox.art.filters import caption, captioned, styled
from bot.sandbox.art.hole import Hole, hole_of
from bot.sandbox.art.manner import manner_of
from bot.sandbox.art.matte import cut_out
from bot.sandbox.art.morph import Morph, eased
from bot.sandbox.art.progress import Bar, Tick
from bot.sandbox.art.scene import Manner, Scene, alive, stage
from bot.sandbox.work import ModelError, Piece, Report, Work

MAX_FILM = 400_000_000
"""Most pixels of all frames of one film together: some two thousand frames of 512x512."""


def _check_size(frames: int, width: int, height: int) -> None:
    if frames < 1:
        raise ModelError("There must be at least one frame")
    if frames * width * height > MAX_FILM:
        most = MAX_FILM // (width * height)
        raise ModelError(
            f"The sandbox draws at most {most} frames of {width}x{height}; this would take {frames}"
        )


# -- animate


def animate(work: Work, report: Report) -> Iterator[Piece]:
    """The morph from prompt_start over every prompt of prompt_end; with gif_ping_pong back to the start."""
    put = work.inputs
    width, height, fps = int(put["width"]), int(put["height"]), int(put["gif_frames_per_second"])
    prompts = [put["prompt_start"], *(p.strip() for p in str(put["prompt_end"]).split("|"))]
    if put.get("gif_ping_pong"):
        prompts.append(prompts[0])
    keys = int(put["num_animation_frames"])
    between = _between(int(put["num_interpolation_steps"]), smooth=bool(put.get("film_interpolation", True)))
    _check_size(keys * between * (len(prompts) - 1), width, height)
    is_gif = put.get("output_format", "gif") == "gif"
    note = f"seed {work.seed}"
    film: Film = Gif(width, height, fps) if is_gif else Mp4(width, height, fps, note)
    try:
        yield from _frames(work, report, film, prompts, keys, between)
        data = film.finish()
    finally:
        film.close()
    yield Piece(
        "film", "output.gif" if is_gif else "output.mp4", data, "image/gif" if is_gif else "video/mp4"
    )


def _between(steps: int, *, smooth: bool) -> int:
    """FILM halves the gap between two frames again and again, so its counts are powers of two."""
    return 1 << max(0, steps - 1).bit_length() if smooth else steps


def _frames(
    work: Work, report: Report, film: Film, prompts: list[str], keys: int, between: int
) -> Iterator[Piece]:
    put = work.inputs
    smooth = bool(put.get("film_interpolation", True))
    mark = caption(f"sandbox · seed {work.seed}", int(put["width"]), int(put["height"]))
    margin = round(min(int(put["width"]), int(put["height"])) * 0.018)
    shown = 0
    before = _staged(work, prompts[0], report)
    for chapter, prompt in enumerate(prompts[1:]):
        after = _staged(work, prompt, report)
        morph = Morph(before, after, work.seed + chapter, float(put["prompt_strength"]))
        if isinstance(film, Gif):
            film.use_palette_of([morph.frame(t, t * 3) for t in (0.0, 0.3, 0.5, 0.7, 1.0)])
        count = keys * between
        for i in range(count):
            if i % between == 0:
                report(f"Generating frame {i // between} of keyframe {chapter}\n")
            t = i / max(1, count - 1)
            frame = morph.frame(eased(t) if smooth else t, shown / int(put["gif_frames_per_second"]))
            stamp(frame, mark, margin, frame.height - mark.height - margin)
            film.add(frame)
            if put.get("intermediate_output") and (i % between == 0 or not smooth):
                yield Piece(
                    "frame", f"frame-{shown:05}.png", png(frame, f"seed {work.seed}", level=1), "image/png"
                )
            shown += 1
            report("")
        before = after


def _staged(work: Work, prompt: str, report: Report) -> Scene:
    put = work.inputs
    size = (int(put["width"]), int(put["height"]))
    return stage(prompt, *size, work.seed, manner=manner_of(put), tick=lambda done: report(""))


# -- a moving scene


class Camera:
    """Looks at a scene drawn larger than the film, moves in slowly, lets what is near pass faster."""

    MARGIN = 1.12

    def __init__(self, scene: Scene, width: int, height: int, *, pan: float, zoom: float) -> None:
        self._scene = scene
        self._size = (width, height)
        self._pan, self._zoom = pan, zoom

    def frame(self, t: float, moment: float) -> Image.Image:
        """RGB; `t` 0..1 is how far the camera has moved, `moment` the seconds since the start."""
        out = self._view(self._scene.back, t, 0.5)
        weather = self._scene.weather
        weather.draw(out, moment, near=False)
        for figure in self._scene.figures:
            sprite, left, top = alive(figure, moment)
            scale, dx, dy = self._look(t, 1.0)
            small = sprite.resize(
                (max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale))),
                Image.Resampling.BILINEAR,
            )
            stamp(out, small, (left - dx) * scale, (top - dy) * scale)
        stamp(out, self._view(self._scene.front, t, 1.25), 0, 0)
        weather.draw(out, moment, near=True)
        return styled(out, self._scene.styles)

    def _look(self, t: float, nearness: float) -> tuple[float, float, float]:
        """The scale from the scene to the film, and the scene's point in the film's upper left corner."""
        width, height = self._scene.size
        share = 1 - (1 - 1 / self.MARGIN) * self._zoom * t * min(1.0, nearness)
        seen = (width * share, height * share)
        slack = width - seen[0]
        dx = slack / 2 * (1 + self._pan * (t - 0.5) * nearness)
        return self._size[0] / seen[0], min(max(dx, 0.0), slack), (height - seen[1]) * 0.62

    def _view(self, layer: Image.Image, t: float, nearness: float) -> Image.Image:
        scale, dx, dy = self._look(t, nearness)
        box = (
            dx,
            dy,
            min(layer.width, dx + self._size[0] / scale),
            min(layer.height, dy + self._size[1] / scale),
        )
        return layer.resize(self._size, Image.Resampling.BILINEAR, box=box)


CHECKPOINTS: Mapping[str, Manner] = {
    "toonyou_beta3.safetensors": Manner(contrast=1.12, grain=0.0),
    "lyriel_v16.safetensors": Manner(contrast=1.04, tint=(150, 120, 190), tint_share=0.22, styles=("soft",)),
    "rcnzCartoon3d_v10.safetensors": Manner(contrast=1.18, grain=0.0, tint=(236, 176, 120), tint_share=0.1),
    "majicmixRealistic_v5Preview.safetensors": Manner(
        contrast=0.92, grain=3.0, tint=(150, 130, 140), tint_share=0.16
    ),
    "realisticVisionV40_v20Novae.safetensors": Manner(
        contrast=0.95, grain=5.0, tint=(120, 124, 112), tint_share=0.26
    ),
}
MODULES: Mapping[str, tuple[float, float]] = {
    "mm_sd_v14": (0.0, 1.0),
    "mm_sd_v15": (1.0, 0.7),
    "mm_sd_v15_v2": (-1.0, 0.9),
}
"""Pan and zoom of each motion module."""


def motion(work: Work, report: Report) -> Iterator[Piece]:
    """Two seconds of a scene: 512x512, 16 frames, 8 a second."""
    put = work.inputs
    bar = Bar(report, int(put["steps"]))
    style = CHECKPOINTS.get(str(put["path"]), Manner())
    side = round(512 * Camera.MARGIN)
    scene = stage(
        str(put["prompt"]), side, side, work.seed, negative=str(put.get("n_prompt") or ""),
        manner=manner_of({**put, "num_inference_steps": put["steps"]}, style), tick=bar.part(0, 0.5),
    )  # fmt: skip
    pan, zoom = MODULES.get(str(put["motion_module"]), (0.0, 1.0))
    camera = Camera(scene, 512, 512, pan=pan, zoom=zoom)
    frames = (captioned(camera.frame(i / 15, i / 8), f"sandbox · seed {work.seed}") for i in range(16))
    data = _filmed(frames, 16, 8, (512, 512), work, bar.part(0.5, 1.0))
    yield Piece("film", "out.mp4", data, "video/mp4")


def _filmed(
    frames: Iterator[Image.Image], count: int, fps: int, size: tuple[int, int], work: Work, tick: Tick
) -> bytes:
    film = Mp4(*size, fps, f"seed {work.seed}")
    try:
        for i, frame in enumerate(frames):
            film.add(frame)
            tick((i + 1) / count)
        return film.finish()
    finally:
        film.close()


# -- video

FPS = 16
COARSENESS: Mapping[str, float] = {"Juiced 🔥 (more speed)": 0.75, "Extra Juiced 🚀 (even more speed)": 0.5}
"""The faster modes draw with so many of the pixels a side, and enlarge."""


def video(work: Work, report: Report) -> Iterator[Piece]:
    """A film of the prompt, or the given film with what its mask marks repainted."""
    size, count = _film_size(work), int(work.inputs["frame_num"])
    _check_size(count, *size)
    bar = Bar(report, int(work.inputs["sample_steps"]))
    source = next(iter(work.files.get("src_video", ())), None)
    make = _scene_film if source is None else _edited_film
    data = _filmed(make(work, size, count, bar), count, FPS, size, work, bar.part(0.15, 1.0))
    yield Piece("film", "output.mp4", data, "video/mp4")


def _film_size(work: Work) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in str(work.inputs["size"]).split("*"))
    except ValueError as error:
        raise ModelError(f"size must be written width*height, not {work.inputs['size']!r}") from error
    if width < 16 or height < 16 or width % 2 or height % 2:
        raise ModelError(f"size must be even and at least 16*16, not {width}*{height}")
    return width, height


def _staged_film(work: Work, size: tuple[int, int], tick: Tick, *, dwellers: bool = True) -> Scene:
    """The prompt's scene, with the reference pictures' foregrounds as its figures."""
    put = work.inputs
    guests = [cut_out(read_picture(data, "src_ref_images")) for data in work.files.get("src_ref_images", ())]
    manner = manner_of(
        {"guidance_scale": put["sample_guide_scale"], "num_inference_steps": put["sample_steps"]}
    )
    return stage(
        str(put["prompt"]), *size, work.seed, manner=manner, guests=guests, dwellers=dwellers, tick=tick
    )


def _scene_film(work: Work, size: tuple[int, int], count: int, bar: Bar) -> Iterator[Image.Image]:
    put = work.inputs
    share = COARSENESS.get(str(put.get("speed_mode")), 1.0)
    drawn = (max(16, round(size[0] * share)), max(16, round(size[1] * share)))
    wide = (round(drawn[0] * Camera.MARGIN), round(drawn[1] * Camera.MARGIN))
    scene = _staged_film(work, wide, bar.part(0, 0.15))
    zoom = min(max(float(put["sample_shift"]) / 16, 0.1), 1.0)
    camera = Camera(scene, *drawn, pan=0.8 if put.get("sample_solver") == "unipc" else -0.8, zoom=zoom)
    for i in range(count):
        frame = camera.frame(eased(i / max(1, count - 1)), i / FPS)
        if frame.size != size:
            frame = frame.resize(size, Image.Resampling.BICUBIC)
        yield captioned(frame, f"sandbox · seed {work.seed}")


def _edited_film(work: Work, size: tuple[int, int], count: int, bar: Bar) -> Iterator[Image.Image]:
    """The source's frames, repainted under the mask, or everywhere a little where there is none."""
    frames = read_film(work.files["src_video"][0], "src_video", FPS)
    masks = _masks(work, size)
    mark = f"sandbox · seed {work.seed}"
    scene, tick = None, bar.part(0, 0.15)
    for i, frame in zip(range(count), frames, strict=False):
        frame = ImageOps.fit(frame, size, Image.Resampling.BICUBIC)
        hole = next(masks) if masks else None
        if masks and hole is None:
            yield frame
            continue
        scene = scene or _staged_film(work, hole.size if hole else size, tick, dwellers=hole is not None)
        if hole:
            yield hole.filled(frame, inside(hole, frame, scene, i / FPS), mark)
        else:
            yield captioned(blended(frame, scene.picture(i / FPS), 0.6), mark)


def _masks(work: Work, size: tuple[int, int]) -> Iterator[Hole | None] | None:
    """One hole a frame, without end, from a mask that is a film or a picture; None where there is no mask."""
    data = next(iter(work.files.get("src_mask", ())), None)
    if data is None:
        return None
    try:
        return repeat(hole_of(ImageOps.fit(on_white(read_picture(data, "src_mask")), size), size))
    except ModelError:
        return (hole_of(ImageOps.fit(mask, size), size) for mask in read_film(data, "src_mask", FPS))
