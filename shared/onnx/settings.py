"""Where this installation keeps the key that signs its bundles and the keys that it trusts."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.onnx.signing import SigningKey, TrustStore


class KeySettings(BaseSettings):
    """Read from `FUTAGO_HOME`."""

    model_config = SettingsConfigDict(env_prefix="FUTAGO_", frozen=True, extra="ignore")

    home: Path = Field(Path("var"), description="folder that holds everything this installation keeps")

    def signing_key(self) -> SigningKey:
        """The key of this installation, made at first use; this installation then trusts it."""
        key = SigningKey.load_or_create(self.home / "keys" / "signing.pem")
        self.trust().enrol(key.public_pem())
        return key

    def trust(self) -> TrustStore:
        """The keys whose bundles this installation accepts."""
        return TrustStore(self.home / "trust")
