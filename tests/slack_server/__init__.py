"""A Slack played on loopback, for tests: the real slack-bolt and slack-sdk connect to it.

`server.py` puts it together. `state.py` is the world, `apps.py` the apps and their tokens, `messages.py`,
`files.py` and `views.py` what stands in it. `webapi.py` is the frame of the Web API, `methods_*.py` its
methods, `ratelimits.py` its limits. `sockets.py` is Socket Mode, `delivery.py` how anything reaches the app
in either mode, `events.py` and `interactions.py` what does. `limits.py`, `manifest.py`, `blockkit.py` and
`words.py` hold Slack's rules. `people.py` is what a test does, with `forms.py` for what is filled in,
`browser.py` for installing and `replies.py` for what comes of it; `faults.py` is what goes wrong, `client.py`
points the libraries here; `admin.py` and `remote.py` are the same over HTTP.
"""

from tests.slack_server.files import Upload
from tests.slack_server.forms import ClientRefused
from tests.slack_server.limits import Limits
from tests.slack_server.manifest import make_manifest
from tests.slack_server.people import Person
from tests.slack_server.replies import Reply
from tests.slack_server.server import SlackServer

__all__ = ["ClientRefused", "Limits", "Person", "Reply", "SlackServer", "Upload", "make_manifest"]
