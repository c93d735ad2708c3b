//! The request that media charms publish today, measured: it keeps the test bed honest.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::FutureExt;
use velero_api::{BackupSpec, LabelSelector};

use super::{Beside, Scenario, ScenarioReport};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::{apply, backups};

pub const SCENARIO: Scenario = Scenario {
    name: "claims-only-stores-nothing",
    says: "a backup of claims only, by app label, is Completed and holds 0 bytes",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let app = App::waiting(ground, &model);
    apply::all(&ground.client, &app.objects(ground)).await?;
    ground
        .ready_pod(&model, &app.pod(), Duration::from_secs(120))
        .await?;
    let pod = app.pod();
    let workload = Container {
        namespace: &model,
        pod: &pod,
        name: &app.name,
    };
    exec::shell(
        ground,
        workload,
        "dd if=/dev/urandom of=/config/radarr.db bs=1M count=4 2>/dev/null",
    )
    .await?;

    let name = format!("claims-only-{}", ground.run);
    let spec = BackupSpec {
        included_namespaces: vec![model.clone()],
        included_resources: vec!["persistentvolumeclaims".to_owned()],
        label_selector: Some(LabelSelector::labels(BTreeMap::from([(
            "app.kubernetes.io/name".to_owned(),
            app.name.clone(),
        )]))),
        default_volumes_to_fs_backup: Some(true),
        storage_location: Some(ground.location.clone()),
        ..BackupSpec::default()
    };
    // `make` fails unless the phase is Completed.
    let stored = backups::make(ground, &name, spec).await?;
    let items = stored
        .backup
        .status
        .and_then(|status| status.progress)
        .map_or(0, |is| is.items_backed_up);
    story.figure("phase", "Completed");
    story.figure("objects in the backup", items);
    story.figure(
        "bytes stored",
        stored.volumes.iter().map(|(_, bytes)| bytes).sum::<u64>(),
    );
    ensure!(items > 0, "the selector should have found the claims");
    ensure!(
        stored.volumes.is_empty(),
        "no volume should have been copied; copied: {:?}",
        stored.volumes
    );
    if let Some(bed) = &ground.bed {
        let bytes = bed.repository_bytes(&model);
        story.figure("bytes in the bucket's repository", bytes);
        ensure!(
            bytes == 0,
            "there should be no data in the bucket; there are {bytes} bytes"
        );
    }
    Ok(())
}
