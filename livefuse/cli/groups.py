"""The groups of commands that talk to a running daemon: `livefuse sessions` and `livefuse jobs`."""

from __future__ import annotations

import typer

from livefuse.cli import apps, ctl, jobs, obs, presets, sessions, sessions_parts, tls


def _group(words: str) -> typer.Typer:
    return typer.Typer(help=words, no_args_is_help=True, rich_markup_mode=None)


sessions_app = _group("See and change what runs in a daemon.")
sessions_app.command("list")(sessions.sessions_list)
sessions_app.command("show")(sessions.sessions_show)
sessions_app.command("create")(sessions.sessions_create)
sessions_app.command("set")(sessions.sessions_set)
sessions_app.command("start")(sessions.sessions_start)
sessions_app.command("stop")(sessions.sessions_stop)
sessions_app.command("restart")(sessions.sessions_restart)
sessions_app.command("remove")(sessions.sessions_remove)
sessions_app.command("source")(sessions.sessions_source)
sessions_app.command("identity")(sessions_parts.sessions_identity)
sessions_app.command("stats")(sessions_parts.sessions_stats)
sessions_app.command("reload")(sessions.sessions_reload)

_sinks = _group("Add and remove outputs of a running session.")
_sinks.command("add")(sessions_parts.sink_add)
_sinks.command("remove")(sessions_parts.sink_remove)
sessions_app.add_typer(_sinks, name="sink")

_presets = _group("Keep settings under names, and lay them over running sessions.")
_presets.command("list")(sessions_parts.preset_list)
_presets.command("save")(sessions_parts.preset_save)
_presets.command("apply")(sessions_parts.preset_apply)
sessions_app.add_typer(_presets, name="preset")

presets_app = _group("Keep looks under names, lay them over sessions, take changes back.")
presets_app.command("list")(presets.presets_list)
presets_app.command("show")(presets.presets_show)
presets_app.command("apply")(presets.presets_apply)
presets_app.command("undo")(presets.presets_undo)
presets_app.command("save")(presets.presets_save)
presets_app.command("export")(presets.presets_export)
presets_app.command("import")(presets.presets_import)
presets_app.command("remove")(presets.presets_remove)

jobs_app = _group("Have a daemon swap files, beside its sessions.")
jobs_app.command("list")(jobs.jobs_list)
jobs_app.command("add")(jobs.jobs_add)
jobs_app.command("show")(jobs.jobs_show)
jobs_app.command("cancel")(jobs.jobs_cancel)
jobs_app.command("retry")(jobs.jobs_retry)
jobs_app.command("move")(jobs.jobs_move)

apps_app = _group("See the apps that have access to a daemon, answer those that ask, take access back.")
apps_app.command("list")(apps.apps_list)
apps_app.command("allow")(apps.apps_allow)
apps_app.command("deny")(apps.apps_deny)
apps_app.command("revoke")(apps.apps_revoke)

tls_app = _group("See this machine's certificate authority, and have browsers trust it.")
tls_app.command("show")(tls.tls_show)
tls_app.command("trust")(tls.tls_trust)
tls_app.command("export")(tls.tls_export)
tls_app.command("renew")(tls.tls_renew)

obs_app = _group("Keep sound and picture of OBS Studio in step.")
obs_app.command("sync")(obs.obs_sync)
obs_app.command("status")(obs.obs_status)

ctl_app = _group("Panic, pause, another face: what hotkeys and scripts do in the middle of a stream.")
ctl_app.command("panic")(ctl.panic)
ctl_app.command("pause")(ctl.pause)
ctl_app.command("resume")(ctl.resume)
ctl_app.command("identity")(ctl.identity)
ctl_app.command("next")(ctl.following)
ctl_app.command("previous")(ctl.previous)
ctl_app.command("preset")(ctl.preset)
ctl_app.command("overlay")(ctl.overlay)

_ctl_sinks = _group("Send the pictures to one more place, or end that.")
_ctl_sinks.command("add")(ctl.sink_add)
_ctl_sinks.command("remove")(ctl.sink_remove)
ctl_app.add_typer(_ctl_sinks, name="sink")
