"""Writes specs as the Python library does: with pydantic, one compact JSON object a line.

    python3 wire.py > ../data/wire.jsonl        (pydantic 2; the table was made with 2.13)

The model has the library's fields (velero_backup_config v0, patch 2) in the library's order. Labels are given in the order of
their keys: pydantic keeps the author's order, our crate sorts.
"""

from typing import Dict, List, Optional

from pydantic import BaseModel


class Spec(BaseModel):
    include_namespaces: Optional[List[str]] = None
    include_resources: Optional[List[str]] = None
    exclude_namespaces: Optional[List[str]] = None
    exclude_resources: Optional[List[str]] = None
    label_selector: Optional[Dict[str, str]] = None
    ttl: Optional[str] = None
    include_cluster_resources: Optional[bool] = None
    schedule: Optional[str] = None
    paused: Optional[bool] = None
    skip_immediately: Optional[bool] = None
    use_owner_references_in_backup: Optional[bool] = None


SPECS = [
    Spec(include_namespaces=["media"]),
    Spec(
        include_namespaces=["media"],
        include_resources=["persistentvolumeclaims"],
        label_selector={"app.kubernetes.io/name": "minimal"},
        ttl="720h",
    ),
    Spec(
        include_namespaces=["media", "media-4k"],
        include_resources=["pods", "deployments.apps"],
        exclude_namespaces=["kube-system"],
        exclude_resources=["secrets"],
        label_selector={"app.kubernetes.io/name": "radarr", "tier": ""},
        ttl="1h30m",
        include_cluster_resources=False,
        schedule="TZ=Europe/Berlin 0 3 * * MON-FRI",
        paused=True,
        skip_immediately=False,
        use_owner_references_in_backup=True,
    ),
    Spec(include_namespaces=["a"], include_resources=[], exclude_namespaces=[], exclude_resources=[], label_selector={}),
    Spec(include_namespaces=["a"], include_resources=["*"], include_cluster_resources=True),
    # Characters beyond ASCII, and white space that Go's parser takes, stay as they are or are escaped in pydantic's way.
    Spec(include_namespaces=["a"], ttl="5\u00b5s", schedule="0\u20033\t*\u00a0*\u0085*"),
    Spec(include_namespaces=["a"], ttl="5\u03bcs", schedule="0 3\n*\x0b*\x0c*\r"),
]

for spec in SPECS:
    print(spec.model_dump_json())
