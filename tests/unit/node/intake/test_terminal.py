"""What a file says, printed: never what a terminal would obey."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NODE = Path(sys.executable).with_name("waypost-node")


def test_attack_what_a_file_says_of_itself_never_commands_the_terminal(tmp_path: Path) -> None:
    """Names of columns and agencies, values that are shown: JSON and workbooks may hold such characters, too."""
    evil = "\x1b[31mRED\u009b5m"
    path = tmp_path / "roster.csv"
    rows = "".join(
        f"{each},Smith,Robin,Testburg{evil} PD,201{each}-01-01,a{evil},1/1/1900{evil}\n" for each in range(9)
    )
    path.write_text(f"Emp,Last,First,Agency,Start,st{evil}ate,Left\n{rows}")
    profile = tmp_path / "p.toml"
    profile.write_text(
        'profile = "p"\n[officers]\nofficer_key = "Emp"\nfamily_name = "Last"\ngiven_name = "First"\n[[employment]]\n'
        'ori = { column = "Agency", as = "agency" }\nsworn = { const = "yes" }\nhired_on = "Start"\n'
    )
    home = ["--home", str(tmp_path / "home")]
    environment = {**os.environ, "WAYPOST_PASSPHRASE": "correct horse battery"}

    def said(*arguments: str) -> str:
        done = subprocess.run([NODE, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    said("init", *home)
    told = said("import", "inspect", str(path)) + said("import", "inspect", str(path), "--json")
    told += said("import", str(path), "--profile", str(profile), *home) + said("import", "agencies", "list", *home)
    assert all(map(str.isprintable, told.split("\n")))
    assert "9 rows were rejected:" in told
    assert "holds a character that cannot be printed" in told
    assert not (tmp_path / "home" / "agencies.csv").exists()
