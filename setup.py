"""Package the addon as odoo.addons.gmail_oauth_mailbox; facts from the manifest."""

import ast
import pathlib

from setuptools import setup

HERE = pathlib.Path(__file__).resolve().parent
NAME = "gmail_oauth_mailbox"
PACKAGE = f"odoo.addons.{NAME}"
# The names are the manifest's external_dependencies; it cannot hold bounds.
LOWER_BOUNDS = {
    "google-auth": "2.30",
    "google-api-python-client": "2.140",
    "requests": "2.31",
    "cryptography": "42",
    "nh3": "0.2.17",
    "chardet": "7.0",
    "webencodings": "0.5.1",
    "idna": "2.10",
    "phonenumbers": "8.13",
    "publicsuffixlist": "1.0",
}

addon = HERE / NAME
manifest = ast.literal_eval((addon / "__manifest__.py").read_text(encoding="utf-8"))
readme = HERE / "README.rst"
folders = [
    path.parent.relative_to(HERE)
    for path in sorted(addon.rglob("__init__.py"))
    if "__pycache__" not in path.parts
]
data = [
    str(path.relative_to(addon))
    for path in sorted(addon.rglob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc")
]
# Scripts in folders that are no packages: migrations/<version>/*.py
data += [
    str(path.relative_to(addon))
    for path in sorted(addon.rglob("*.py"))
    if path.parent.relative_to(HERE) not in folders
]

setup(
    name=f"odoo-addon-{NAME}",
    version=manifest["version"],
    description=manifest["summary"],
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/x-rst",
    author=manifest["author"],
    url=manifest["website"],
    license=manifest["license"],
    python_requires=">=3.10",
    packages=[f"odoo.addons.{'.'.join(folder.parts)}" for folder in folders],
    package_dir={PACKAGE: NAME},
    package_data={PACKAGE: data},
    include_package_data=False,
    install_requires=[
        f"{name}>={LOWER_BOUNDS[name]}"
        for name in manifest["external_dependencies"]["python"]
    ],
    zip_safe=False,
    classifiers=[
        "Framework :: Odoo",
        "Framework :: Odoo :: 19.0",
        "Programming Language :: Python :: 3",
    ],
)
