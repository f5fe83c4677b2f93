"""`futago keys`: gives tokens a new signing key while the suite runs."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.errors import InvalidInput
from futago.key_rotation import KeyPairFiles, change, prepare, rotate, standing
from futago.launcher.home import Home
from shared.clock import SystemClock, rfc3339

app = typer.Typer(help="The keys that sign access tokens and the gateway's internal tokens.", no_args_is_help=True)

PrivateOption = Annotated[
    Path | None, typer.Option("--private-key", help="The private key of a deployment; by default, those of the home.")
]
PublicOption = Annotated[Path | None, typer.Option("--public-keys", help="The file of public keys that belongs to it.")]
SettleOption = Annotated[
    float,
    typer.Option("--settle-s", min=0.0, help="Time until a replaced file has reached every process [s]."),
]
LifeOption = Annotated[float, typer.Option("--life-s", min=0.0, help="Longest life of a token [s].")]

# A process looks at its key files once a second, and caches keep the key set for five.
_SETTLE_S = 10.0
# The longest that `access_token_life_s` may be set to.
_LIFE_S = 3600.0


@app.command("rotate")
def rotate_keys(
    home: HomeOption = DEFAULT_HOME,
    private: PrivateOption = None,
    public: PublicOption = None,
    settle_s: SettleOption = _SETTLE_S,
    life_s: LifeOption = _LIFE_S,
) -> None:
    """Publish a new key, wait until every process has read it, then sign with it; no request fails.

    The old key stays valid until the last of its tokens has expired. With `--life-s 0`, as after a theft, it becomes
    invalid with the change, and every user has to renew the token.
    """
    for files in _pairs(home, private, public):
        key_id = rotate(
            files,
            settle=timedelta(seconds=settle_s),
            life=timedelta(seconds=life_s),
            clock=SystemClock(),
            sleep=time.sleep,
        )
        typer.echo(f"{files.private.name} signs with {key_id}.")


@app.command("prepare")
def prepare_keys(home: HomeOption = DEFAULT_HOME, private: PrivateOption = None, public: PublicOption = None) -> None:
    """Publish a new key, but keep signing with the old one: the first half of a manual rotation."""
    for files in _pairs(home, private, public):
        typer.echo(f"{files.following.name} holds {prepare(files, SystemClock())}.")


@app.command("change")
def change_keys(
    home: HomeOption = DEFAULT_HOME,
    private: PrivateOption = None,
    public: PublicOption = None,
    life_s: LifeOption = _LIFE_S,
) -> None:
    """Sign with the prepared key: the second half of a manual rotation."""
    for files in _pairs(home, private, public):
        key_id = change(files, old_counts_for=timedelta(seconds=life_s), clock=SystemClock())
        typer.echo(f"{files.private.name} signs with {key_id}.")


@app.command("list")
def show(home: HomeOption = DEFAULT_HOME, private: PrivateOption = None, public: PublicOption = None) -> None:
    """List the valid keys: which one signs, which one is prepared, and when an old one expires."""
    for files in _pairs(home, private, public):
        keys = standing(files, SystemClock().now())
        typer.echo(f"{files.private.name}: {keys.signing.key_id} signs")
        for key in keys.public:
            if keys.following is not None and key.key_id == keys.following.key_id:
                typer.echo(f"  {key.key_id} is prepared")
            elif key.key_id != keys.signing.key_id:
                typer.echo(f"  {key.key_id} counts" + (f" until {rfc3339(key.until)}" if key.until else ""))


def _pairs(home: Path, private: Path | None, public: Path | None) -> list[KeyPairFiles]:
    if private is not None and public is not None:
        return [KeyPairFiles(private, public)]
    if private is not None or public is not None:
        raise InvalidInput("name both files: --private-key and --public-keys")
    folder = Home(home.absolute()).keys
    return [KeyPairFiles(folder / f"{name}.pem", folder / f"{name}.pub.pem") for name in ("access", "identity")]
