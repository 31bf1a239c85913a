"""The settings: what the file and the environment give, and what each mistake gets."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bot.catalogue import load as load_catalogue
from bot.config import REPLICATE, Http, ProviderSettings, Settings, SlackSettings, check, keys, load
from bot.config.loading import NOT_SETTINGS
from bot.errors import ConfigError
from bot.secrets import new_key

ROOT = Path(__file__).parent.parent
SANDBOX = '[providers.sandbox]\nkind = "sandbox"\n'
COMMANDS = ("animate", "video", "music")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def mistakes(
    path: Path | None, environ: Mapping[str, str] | None = None, commands: Collection[str] = COMMANDS
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {}, commands=commands)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.mistakes), "one line a mistake"
    return lines


# -- what is read


def test_the_example_loads_as_it_stands() -> None:
    settings = load(ROOT / "config.example.toml", {}, commands=load_catalogue().commands())
    assert settings.providers["sandbox"].kind == "sandbox"
    assert settings.routes == {"default": "sandbox"}


def test_the_example_loads_with_everything_in_it_switched_on(file: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    file.write_text(re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text))
    settings = load(file, {}, commands=load_catalogue().commands())
    assert set(settings.providers) == {"sandbox", "replicate", "gateway"}
    assert settings.http.public_url == "https://studio.example.org"


def test_the_example_shows_the_defaults(file: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    defaults = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text.partition("[http]")[2])
    shown = re.sub(r"(?m)^.*(Your|example\.org|# no default).*$", "", defaults)
    file.write_text(SANDBOX + "[http]" + shown)
    settings = load(file, {})
    assert settings == Settings(providers={"sandbox": ProviderSettings(kind="sandbox")})


@pytest.mark.parametrize("key", [".".join(key) for key in keys()])
def test_every_key_stands_in_the_docs_and_in_the_example(key: str) -> None:
    docs = (ROOT / "docs/configuration.md").read_text()
    assert f"| `{key}` |" in docs
    table, name = key.rsplit(".", 1)
    example = (ROOT / "config.example.toml").read_text()
    start = table.replace("NAME", "gateway").replace("MODEL", "animate")
    section = re.split(rf"(?m)^(?:# )?\[{start}\]$", example)[1].partition("\n\n")[0]
    wanted = {"COMMAND": "default", "SETTING": "budget.server.day"}.get(name, name)
    assert re.search(rf"(?m)^(# )?{wanted} = ", section), f"{key} is missing under [{start}]"


def test_the_docs_name_no_key_that_is_not_there() -> None:
    docs = (ROOT / "docs/configuration.md").read_text()
    assert set(re.findall(r"(?m)^\| `([a-z_.A-Z]+\.[a-z_A-Z]+)` \|", docs)) == {
        ".".join(key) for key in keys()
    }


def test_the_docs_tell_the_defaults() -> None:
    docs = (ROOT / "docs/configuration.md").read_text()
    for table, name in (key for key in keys() if len(key) == 2 and not key[1].isupper()):
        default = getattr(getattr(Settings(), table), name)
        row = next(line for line in docs.splitlines() if line.startswith(f"| `{table}.{name}` |"))
        shown = row.split("|")[2].strip().strip("`")
        as_toml = str(list(default)).replace("'", '"') if isinstance(default, tuple) else str(default).lower()
        assert shown.strip('"') == ("none" if default is None else as_toml), row


def test_variables_override_the_file(file: Path) -> None:
    file.write_text(SANDBOX + '[http]\nport = 1000\nhost = "0.0.0.0"\n')
    environ = {"THREADREEL_HTTP__PORT": "2000", "THREADREEL_ACCESS__SERVERS": '["web"]', "HOME": "/nowhere"}
    settings = load(file, environ)
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 2000)
    assert settings.access.servers == ("web",)


def test_variables_alone_may_say_everything() -> None:
    settings = load(
        None,
        {
            "THREADREEL_PROVIDERS__REPLICATE__KIND": "replicate",
            "THREADREEL_PROVIDERS__REPLICATE__TOKEN": "r8_secret",
            "THREADREEL_ROUTES__ANIMATE": "replicate",
        },
        commands=COMMANDS,
    )
    assert settings.providers["replicate"].base_url == REPLICATE
    assert settings.routes == {"animate": "replicate"}


def test_an_empty_variable_counts_as_not_set(file: Path) -> None:
    file.write_text(SANDBOX)
    assert load(file, {"THREADREEL_HTTP__PUBLIC_URL": ""}).http.public_url is None


def test_a_secret_may_stand_in_a_file(file: Path, tmp_path: Path) -> None:
    file.write_text('[providers.main]\nkind = "replicate"\n')
    secret = tmp_path / "secret"
    secret.write_text("  r8_secret\n")
    settings = load(file, {"THREADREEL_PROVIDERS__MAIN__TOKEN_FILE": str(secret)})
    token = settings.providers["main"].token
    assert token is not None
    assert token.get_secret_value() == "r8_secret"


@pytest.mark.parametrize("joint", ["\n", '", "'])
def test_several_secrets_may_stand_in_one_file(file: Path, tmp_path: Path, joint: str) -> None:
    file.write_text(SANDBOX)
    keys, secret = [new_key(), new_key()], tmp_path / "keys"
    secret.write_text("\n".join(keys) + "\n" if joint == "\n" else f'["{joint.join(keys)}"]')
    settings = load(file, {"THREADREEL_SECRETS__KEYS_FILE": str(secret)})
    assert [key.get_secret_value() for key in settings.secrets.keys] == keys


def test_the_environment_is_only_read_from_what_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADREEL_HTTP__PORT", "1")
    assert Settings().http.port == 8080
    assert load(None, {"THREADREEL_PROVIDERS__A__KIND": "sandbox"}).http.port == 8080


def test_settings_cant_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.http.port = 1
    with pytest.raises(ValidationError):
        settings.web = settings.web


def test_addresses_lose_their_trailing_slash(file: Path) -> None:
    file.write_text(
        '[providers.g]\nkind = "gateway"\nbase_url = "https://g.example/replicate/"\ntoken = "t"\n'
        '[http]\npublic_url = "https://studio.example.org/"\n'
    )
    settings = load(file, {})
    assert settings.providers["g"].base_url == "https://g.example/replicate"
    assert settings.http.public_url == "https://studio.example.org"


def test_variables_that_are_read_elsewhere_are_no_settings(file: Path) -> None:
    file.write_text(SANDBOX)
    load(file, dict.fromkeys(NOT_SETTINGS, "1"))


@pytest.mark.parametrize(
    "variable", ["THREADREEL_CONFIG", "THREADREEL_REQUIRE_CHROMIUM", "THREADREEL_TEST_SEED"]
)
def test_variables_that_are_no_settings_stand_in_the_docs(variable: str) -> None:
    assert variable in NOT_SETTINGS
    assert f"| `{variable}` |" in (ROOT / "docs/configuration.md").read_text()


# -- what is refused


def test_every_mistake_is_told_at_once_with_file_key_and_remedy(file: Path) -> None:
    file.write_text(
        '[http]\nprot = 1\nport = 99999\npublic_url = "ftp://x"\n'
        '[limits]\nat_once = "many"\n[acess]\n[log]\nlevel = "loud"\n'
        '[providers.Main-One]\nkind = "replicate"\n'
        '[providers.gw]\nkind = "gateway"\nbase_url = "https://gw.example/v1"\ntokn = "x"\n'
        '[providers.bare]\nkind = "gateway"\ntoken = "x"\n'
        '[routes]\nanimat = "gw"\nvideo = "gv"\n'
    )
    said = {line.removeprefix(f"{file}: ") for line in mistakes(file)}
    token = "THREADREEL_PROVIDERS__GW__TOKEN"
    assert said >= {
        "http.prot: is no setting. Did you mean port?",
        "http.port: must be at most 65535. Leave it out for the default, 8080",
        'http.public_url: must be an address that begins with http:// or https://. Write it as "https://HOST"',
        "limits.at_once: must be a whole number. Leave it out for the default, 8",
        "acess: is no setting. Did you mean access?",
        "log.level: must be 'debug', 'info', 'warning' or 'error'. Leave it out for the default, info",
        "providers.Main-One: its name must be small letters, digits and single _. "
        "Call it main_one, so that variables can set it too",
        "providers.gw.base_url: must be everything before /v1. Take /v1 off its end",
        "providers.gw.tokn: is no setting. Did you mean token?",
        "providers.gw.token: is missing: a provider of kind gateway needs it. "
        f"Add it, or set {token} or {token}_FILE",
        "providers.bare.base_url: is missing: a gateway needs it. Add its address, before /v1",
        "routes.animat: is no command. Did you mean animate?",
        "routes.video: leads to a provider that isn't there. Add [providers.gv], or name one that there is",
    }
    assert len(said) == 14


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HTTP_PORT", "1", "THREADREEL_HTTP_PORT: is no setting. Did you mean THREADREEL_HTTP__PORT?"),
        ("FOO", "1", "THREADREEL_FOO: is no setting. See docs/configuration.md"),
        ("FOO_TOKEN", "1", "THREADREEL_FOO_TOKEN: is no setting. See docs/configuration.md"),
        ("HTTP__PROT", "1", "THREADREEL_HTTP__PROT (http.prot): is no setting. Did you mean port?"),
        ("HTTP__PORT", "x", "THREADREEL_HTTP__PORT (http.port): must be a whole number."),
        ("HTTP__PORT_FILE", "/x", "THREADREEL_HTTP__PORT_FILE (http.port_file): is no setting."),
        ("ACCESS__SERVERS", "web", "THREADREEL_ACCESS__SERVERS: must be JSON."),
        ("ACCESS__SERVERS", '["wbe"]', "THREADREEL_ACCESS__SERVERS (access.servers.0): must be a platform"),
        (
            "DISCORD__TOKEN_FILE",
            "/nowhere/x",
            "THREADREEL_DISCORD__TOKEN_FILE: names a file that can't be read",
        ),
        ("LIMITS", "3", "THREADREEL_LIMITS (limits): must be a table."),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(file: Path, variable: str, value: str, said: str) -> None:
    file.write_text(SANDBOX + "[http]\nport = 8081\n")
    lines = mistakes(file, {f"THREADREEL_{variable}": value})
    assert len(lines) == 1
    assert lines[0].startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nport = = 2\n", "line 2, column 8: is no TOML: "),
        ("[http", "is no TOML: "),
        ("[http]\nport = 1\nport = 2\n", "line 3, column 9: is no TOML: "),
    ],
)
def test_broken_toml_is_told_with_its_line_and_column(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    (line,) = mistakes(file)
    assert line.startswith(f"{file}: ")
    assert said in line


def test_a_file_that_is_not_there_or_no_text_is_told(file: Path, tmp_path: Path) -> None:
    assert "there is no such file. Copy config.example.toml there" in mistakes(file)[0]
    assert f"{tmp_path}: is a folder. Give a file, such as {tmp_path}/config.toml" == mistakes(tmp_path)[0]
    file.write_bytes(b"# \xff\n")
    assert "byte 2 is not UTF-8" in mistakes(file)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[store]\nurl = "postgresql://a:b@c/d"', "store.url: must name a SQLite file"),
        ('[store]\nurl = "sqlite://"', "store.url: must name a SQLite file"),
        ('[http]\npublic_url = "https://a b"', "http.public_url: must be an address"),
        ('[http]\npublic_url = "https://[::1"', "http.public_url: must be an address"),
        ('[http]\npublic_url = "https://a.example/?x=1"', "http.public_url: must end before ? and #"),
        ('[http]\npublic_url = "https://me:pw@a.example"', "http.public_url: must hold no user name"),
        ('[media]\nprivate_hosts = ["http://a"]', "media.private_hosts.0: must be HOST or HOST:PORT"),
        ('[access]\nservers = ["discord:"]', "access.servers.0: must be a platform, or PLATFORM:SERVER"),
        ("[limits]\ndeadline_minutes = inf", "limits.deadline_minutes: must be a number"),
        ("[limits]\nper_day = -1", "limits.per_day: must be at least 0"),
        ('[discord]\ntoken = ""', "discord.token: is empty"),
        ('[discord]\ntoken = "a b"', "discord.token: holds blanks"),
        ('[discord]\napi_base = "ws://x"\ngateway_url = "x"', "discord.gateway_url: must be an address"),
        ('routes = "x"', "routes: must be a table"),
        ('[secrets]\nkeys = ["a"]', "secrets.keys.0: is no key. Make one with: threadreel secrets key"),
        ('[secrets]\nkeys = ["é"]', "secrets.keys.0: holds blanks or characters"),
        ('[slack]\nclient_secret = "s"', "slack.client_id: is missing: client_secret is set"),
        (
            '[http]\npublic_url = "https://a.example"\n[slack]\nclient_id = "1.1"',
            "slack.client_secret: is missing",
        ),
        ('[slack]\nclient_id = "1.1"\nclient_secret = "s"', "http.public_url: is missing: Slack leads"),
        (
            '[slack]\nclient_id = "1 1"\nclient_secret = "s"\n[http]\npublic_url = "https://a.example"',
            "slack.client_id: must be",
        ),
    ],
)
def test_a_value_that_cant_be_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(f"{text}\n{SANDBOX}")
    (line,) = mistakes(file)
    assert said in line


def test_no_provider_at_all_points_to_the_demo() -> None:
    (line,) = mistakes(None)
    assert line.startswith("configuration: providers: there is none")
    assert "threadreel demo" in line


def test_no_secret_is_shown_in_errors_or_in_repr(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush two")
    file.write_text(
        'slack = "hush"\n[providers.a]\nkind = "hush"\ntokn = "hush"\ntoken = "hush hush"\n'
        '[providers.b]\nkind = "gateway"\nbase_url = "https://me:hush@b.example"\ntoken = 5\n'
        '[providers]\nc = "hush"\n'
    )
    assert "hush" not in "\n".join(mistakes(file, {"THREADREEL_DISCORD__TOKEN_FILE": str(secret)}))
    file.write_text('[providers.a]\nkind = "replicate"\ntoken = "hush"\n')
    assert "hush" not in repr(load(file, {}))
    with pytest.raises(ValidationError) as caught:
        ProviderSettings(kind="replicate", token="hush hush")  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)


def test_a_route_may_name_several_providers_in_order(file: Path) -> None:
    file.write_text(
        SANDBOX + '[providers.gw]\nkind = "gateway"\nbase_url = "https://gw.example"\ntoken = "x"\n'
        '[routes]\nanimate = ["gw", "sandbox"]\nvideo = "gw"\n'
    )
    assert load(file, {}).routes == {"animate": ("gw", "sandbox"), "video": "gw"}
    environ = {"THREADREEL_ROUTES__ANIMATE": '["sandbox", "gw"]'}
    assert load(file, environ).routes["animate"] == ("sandbox", "gw")


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("[]", "must be the name of a provider, or a list of names"),
        ("[1]", "must be the name of a provider, or a list of names"),
        ("7", "must be the name of a provider, or a list of names"),
        ('["sandbox", "sandbx"]', "leads to a provider that isn't there. Did you mean sandbox?"),
        ('["sandbox", "sandbox"]', "names a provider twice"),
    ],
)
def test_a_route_that_leads_nowhere_is_told(file: Path, route: str, said: str) -> None:
    file.write_text(SANDBOX + f"[routes]\nanimate = {route}\n")
    (line,) = mistakes(file)
    assert said in line
    assert "routes.animate" in line


def test_settings_made_in_code_are_checked_too() -> None:
    sandbox = {"sandbox": ProviderSettings(kind="sandbox")}
    check(Settings(providers=sandbox, routes={"animate": "sandbox"}), COMMANDS)
    with pytest.raises(ConfigError, match=r"routes\.fly: is no command"):
        check(Settings(providers=sandbox, routes={"fly": "sandbox"}), COMMANDS)
    with pytest.raises(ConfigError, match=r"slack\.client_secret: is missing"):
        check(
            Settings(
                providers=sandbox,
                slack=SlackSettings(client_id="1"),
                http=Http(public_url="https://a.example"),
            ),
            COMMANDS,
        )
    with pytest.raises(ConfigError, match="there is none"):
        check(Settings(), COMMANDS)


def test_every_table_refuses_unknown_keys() -> None:
    for field in Settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            assert field.annotation.model_config["extra"] == "forbid"
            assert field.annotation.model_config["frozen"] is True


@pytest.mark.parametrize(
    ("kind", "public_url", "said", "on"),
    [
        ("replicate", "https://studio.example.org", None, True),
        ("replicate", "https://studio.example.org", False, False),
        ("replicate", "http://studio.example.org", None, False),
        ("replicate", None, True, False),
        ("gateway", "https://studio.example.org", None, False),
        ("gateway", "https://studio.example.org", True, True),
        ("sandbox", "https://studio.example.org", None, False),
        ("sandbox", "http://127.0.0.1:8080", True, True),
    ],
)
def test_webhooks_are_on_where_they_are_sure_to_work_or_where_it_is_said(
    kind: Any, public_url: str | None, said: bool | None, on: bool
) -> None:
    one = ProviderSettings(kind=kind, webhooks=said)
    assert Settings(http=Http(public_url=public_url), providers={"one": one}).has_webhooks("one") is on
