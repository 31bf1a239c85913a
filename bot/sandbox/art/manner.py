"""How a model's knobs show in the picture: steps, guidance, LoRA, scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.sandbox.art.brush import Colour
from bot.sandbox.art.scene import Manner
from bot.sandbox.art.words import rng_of
from bot.sandbox.work import Json

SCHEDULERS: Mapping[str, float] = {
    "DDIM": 0.3,
    "K_EULER": 0.0,
    "DPMSolverMultistep": 0.0,
    "K_EULER_ANCESTRAL": 0.8,
    "PNDM": 0.4,
    "KLMS": 0.5,
    "HeunDiscrete": 0.2,
    "KarrasDPM": 0.1,
}
"""How much more grain a scheduler leaves, in steps of 255."""


def manner_of(put: Mapping[str, Json], base: Manner | None = None) -> Manner:
    """More guidance, more contrast; more steps, less grain; a LoRA tints by its name."""
    base = base or Manner()
    guidance = float(put.get("guidance_scale", put.get("guidance", 7.5)) or 0)
    steps = int(put.get("num_inference_steps") or 50)
    few = max(0.0, 1 - steps / 50) if steps >= 4 else 1.0
    grain = base.grain + 1.6 * few + SCHEDULERS.get(str(put.get("scheduler")), 0.0)
    base = replace(base, contrast=base.contrast * (0.94 + 0.008 * min(guidance, 20.0)), grain=grain)
    lora = put.get("hf_lora") or put.get("replicate_weights")
    if lora:
        colour: Colour = tuple(int(v) for v in rng_of("lora", lora).integers(60, 220, 3))  # type: ignore[assignment]
        base = replace(base, tint=colour, tint_share=0.45 * float(put.get("lora_scale", 0.8)))
    return base
