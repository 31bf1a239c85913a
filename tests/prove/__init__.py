"""`make prove`: the promises, tried by breaking everything.

fuse.py         named fault points in a process that doesn't know of them: there it dies
victim.py       `threadreel run` with such a fuse planted in it, as a process
box.py          the provider: a sandbox whose every result is one of a kind
stages.py       the platforms: what people do there, and what stands there
processes.py    servers in processes of their own
world.py        all of it as processes, of which only the victim is ever killed
people.py       people who order, cancel, repeat and press twice all the time
verdict.py      what was asked for, what the provider was asked for, what stands there
crash.py        rounds of kills, that add up
soak.py         jobs by the second, for long: does anything grow?
faults.toml     each call of each protocol x each fault, and what must come of it
faults.py       tries one line of that table
"""
