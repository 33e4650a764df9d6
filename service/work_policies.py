"""Policies of jobs, webhooks and workers: what the settings say of them."""

from __future__ import annotations

from datetime import timedelta

from service.jobs import JobPolicy
from service.settings import Settings
from service.webhooks.delivering import DeliveryPolicy
from service.working import WorkPolicy


def job_policy(settings: Settings) -> JobPolicy:
    """How many jobs a key may have open, and how long they are kept."""
    chosen = settings.jobs
    return JobPolicy(max_open=chosen.max_open, retention=timedelta(hours=chosen.retention_hours))


def webhook_secret(settings: Settings) -> str | None:
    """The installation's secret, where the settings name one."""
    chosen = settings.webhooks.secret
    return None if chosen is None else chosen.get_secret_value()


def delivery_policy(settings: Settings) -> DeliveryPolicy:
    """How webhooks are sent."""
    chosen = settings.webhooks
    return DeliveryPolicy(
        allowed=chosen.allow_networks,
        secret=webhook_secret(settings),
        max_attempts=chosen.attempts,
        timeout_s=chosen.timeout_s,
        first_pause_s=chosen.first_pause_s,
    )


def work_policy(settings: Settings) -> WorkPolicy:
    """What a worker of this process works on."""
    chosen = settings.worker
    return WorkPolicy(
        answers=chosen.answers,
        refreshes=chosen.refreshes,
        deliveries=chosen.deliveries,
        dead_after_s=chosen.dead_after_s,
        retention=job_policy(settings).retention,
        delivery=delivery_policy(settings),
    )
