"""The least that a charm in Python does for the same job: the leader asks velero-operator for backups of the config volume, and the
unit's status says whether Pebble runs the app. It deploys nothing, keeps no configuration and looks at no cluster."""

import json
import os

import ops

APP = "radarr"
BACKUP = "velero-backup-config"
EVENTS = [
    "install",
    "leader_elected",
    "config_storage_attached",
    "config_changed",
    "start",
    "radarr_pebble_ready",
    "update_status",
    "peers_relation_created",
    "peers_relation_changed",
    "velero_backup_config_relation_created",
    "velero_backup_config_relation_joined",
    "velero_backup_config_relation_changed",
    "velero_backup_config_relation_departed",
    "velero_backup_config_relation_broken",
]


class Charm(ops.CharmBase):
    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        for event in EVENTS:
            framework.observe(getattr(self.on, event), self._on_event)

    def _on_event(self, _: ops.EventBase):
        if self.unit.is_leader():
            self._ask_for_backups()
        self.unit.status = self._status()

    def _ask_for_backups(self):
        schedule = self.config["backup-schedule"]
        spec = {
            "include_namespaces": [self.model.name],
            "include_resources": ["persistentvolumeclaims", "persistentvolumes", "pods"],
            "label_selector": {"app.kubernetes.io/name": self.app.name},
            "ttl": self.config["backup-retention"],
            "schedule": "30 2 * * *" if schedule == "daily" else schedule,
        }
        wanted = {
            "app": self.app.name,
            "relation_name": BACKUP,
            "model": self.model.name,
            "spec": json.dumps(spec),
        }
        for relation in self.model.relations[BACKUP]:
            if not relation.active:
                continue
            bag = relation.data[self.app]
            for key, value in wanted.items():
                if bag.get(key) != value:
                    bag[key] = value

    def _status(self) -> ops.StatusBase:
        folder = os.environ.get("JUJU_CONTAINERS_DIR", "/charm/containers")
        pebble = ops.pebble.Client(f"{folder}/{APP}/pebble.socket")
        try:
            services = pebble.get_services()
        except ops.pebble.ConnectionError:
            return ops.WaitingStatus("Pebble is not responding")
        if any(service.is_running() for service in services):
            return ops.ActiveStatus()
        return ops.WaitingStatus(f"{APP} is not running")


if __name__ == "__main__":
    ops.main(Charm)
