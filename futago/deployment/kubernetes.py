"""The same secrets for a cluster: commands that make one Kubernetes secret out of each subfolder."""

from shlex import quote

from futago.deployment.secrets_folder import SecretsFolder


def commands(folder: SecretsFolder, namespace: str) -> list[str]:
    """One `kubectl` command a secret, under the names that the chart's values have by default.

    Parameters
    ----------
    folder
        Complete, with the first administrator's password.
    """
    keys = folder.keys
    files = {
        "futago-urls": [folder.url("database_url"), folder.url("redis_url")],
        "futago-gateway": [keys.access, keys.access_public, keys.identity, keys.second_factor, keys.audit],
        "futago-identity": [keys.identity_public],
        "futago-signing": [keys.signing],
        "futago-trust": sorted(folder.trust.glob("*.pem")),
    }
    into = f"--namespace {quote(namespace)}"
    lines = [
        f"kubectl create secret generic {name} {into} " + " ".join(f"--from-file={quote(str(path))}" for path in paths)
        for name, paths in files.items()
    ]
    password, certificate, key = (
        quote(str(path)) for path in (folder.first_password, folder.tls.certificate, folder.tls.key)
    )
    lines.append(f"kubectl create secret generic futago-first-admin {into} --from-file=password={password}")
    return [*lines, f"kubectl create secret tls futago-tls {into} --cert={certificate} --key={key}"]
