"""The documents that describe the suite, kept ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.gateway.domain.access import AccessTable, Service
from services.gateway.domain.openapi import Document, merge


class SuiteDocument:
    """The merged OpenAPI document; merged anew only when a service's own has changed.

    Parameters
    ----------
    password_form
        Whether the password form of OAuth 2 is offered.
    """

    def __init__(self, table: AccessTable, *, password_form: bool = True) -> None:
        self._table = table
        self._password_form = password_form
        self._services: dict[Service, Document] = {}
        self._merged: Document | None = None
        self._own: Callable[[], Document] = lambda: {"openapi": "3.1.0", "info": {}, "paths": {}}

    def describe_gateway(self, own: Callable[[], Document]) -> None:
        """Say where the gateway's own document comes from."""
        self._own = own
        self._merged = None

    def learn(self, service: Service, document: Document) -> None:
        """Take a service's document."""
        if self._services.get(service) != document:
            self._services[service] = document
            self._merged = None

    @property
    def known(self) -> frozenset[Service]:
        """Services whose document is in."""
        return frozenset(self._services)

    def merged(self) -> Document:
        """The document of the suite."""
        if self._merged is None:
            in_order = {service: self._services[service] for service in Service if service in self._services}
            self._merged = merge(self._own(), in_order, self._table, password_form=self._password_form)
        return self._merged


@dataclass(frozen=True, slots=True)
class DocumentationAssets:
    """Files of the documentation page, by the name they are served under."""

    files: Mapping[str, Path]
