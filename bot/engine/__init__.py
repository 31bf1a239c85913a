"""Claims jobs, carries each a step further, writes down its fate: the only place that moves a job."""

from bot.engine.cards import Cards, card_of, notice_of
from bot.engine.engine import Engine, News, Rules
from bot.engine.steps import Steps

__all__ = ["Cards", "Engine", "News", "Rules", "Steps", "card_of", "notice_of"]
