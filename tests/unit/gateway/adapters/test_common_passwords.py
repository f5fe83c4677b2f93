"""The lists that passwords are compared with."""

import subprocess
import sys

from services.gateway.adapters.common_passwords import CommonPasswords


async def test_the_lists_hold_what_a_guesser_tries_first():
    words = await CommonPasswords().words()
    assert words >= {"123456", "password", "qwertyuiop", "trustno1", "sunshine", "internationalization"}
    assert "alongwalkbytheriver" not in words
    assert len(words) > 90_000


async def test_they_are_loaded_once():
    lists = CommonPasswords()
    assert await lists.words() is await lists.words()


def test_nothing_is_loaded_before_a_password_is_set():
    script = (
        "import sys; from services.gateway.adapters.common_passwords import CommonPasswords;"
        "CommonPasswords(); sys.exit('zxcvbn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False).returncode == 0
