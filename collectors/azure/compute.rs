//! Virtual machines, managed disks, and what the newest search for updates found, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, number, parent, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{identity, reference};

const VM: &str = "azure.compute.vm";
const DISK: &str = "azure.compute.disk";
const PATCHES: &str = "azure.compute.patch_assessment";

static VMS: Operation = Operation {
    call: "resourcegraph:VirtualMachines",
    permission: "Microsoft.Compute/virtualMachines/read",
    absent: &[],
    per: Per::Page(1000),
};
static DISKS: Operation = Operation {
    call: "resourcegraph:Disks",
    permission: "Microsoft.Compute/disks/read",
    absent: &[],
    per: Per::Page(1000),
};
static ASSESSMENTS: Operation = Operation {
    call: "resourcegraph:PatchAssessmentResults",
    // What Resource Graph asks for. The provider itself knows only `…/latest/read`, which is not enough: rows are then
    // left out. A role of one's own therefore names `…/patchAssessmentResults/*`.
    permission: "Microsoft.Compute/virtualMachines/patchAssessmentResults/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of machines reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.compute",
    title: "Virtual machines, managed disks and missing updates",
    kinds: &[VM, DISK, PATCHES],
    reach: Reach::Together,
    operations: &[&VMS, &DISKS, &ASSESSMENTS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: VM,
        frame: Frame::Located,
        below: &[],
        operation: &VMS,
        source: Source::Graph(Query::resources(&["microsoft.compute/virtualmachines"])),
        shape: machine,
        details: None,
    },
    Part {
        kind: DISK,
        frame: Frame::Located,
        below: &[],
        operation: &DISKS,
        source: Source::Graph(Query::resources(&["microsoft.compute/disks"])),
        shape: disk,
        details: None,
    },
    Part {
        kind: PATCHES,
        frame: Frame::Located,
        below: &[],
        operation: &ASSESSMENTS,
        source: Source::Graph(Query {
            table: "patchassessmentresources",
            types: &["microsoft.compute/virtualmachines/patchassessmentresults"],
            narrowed: "",
        }),
        shape: patches,
        details: None,
    },
];

fn machine(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("size", of("properties.hardwareProfile.vmSize"));
    draft.text("os_type", of("properties.storageProfile.osDisk.osType"));
    draft.text("power_state", of("properties.extended.instanceView.powerState.code"));
    draft.flag("encryption_at_host", of("properties.securityProfile.encryptionAtHost"));
    draft.text("security_type", of("properties.securityProfile.securityType"));
    draft.flag("secure_boot", of("properties.securityProfile.uefiSettings.secureBootEnabled"));
    draft.flag("vtpm", of("properties.securityProfile.uefiSettings.vTpmEnabled"));
    let (linux, windows) =
        (of("properties.osProfile.linuxConfiguration"), of("properties.osProfile.windowsConfiguration"));
    let passwordless = linux.and_then(|linux| at(linux, "disablePasswordAuthentication"));
    draft.flag("password_login_disabled", passwordless);
    let patching = |name: &str| linux.or(windows).and_then(|system| at(system, &format!("patchSettings.{name}")));
    draft.text("patch_assessment_mode", patching("assessmentMode")).text("patch_mode", patching("patchMode"));
    draft.id("os_disk", of("properties.storageProfile.osDisk.managedDisk.id"));
    let disks = with_member(of("properties.storageProfile.dataDisks"), "managedDisk");
    draft.list_or_empty("data_disks", disks.as_ref(), |disk| reference(disk, "managedDisk.id"));
    let interfaces = of("properties.networkProfile.networkInterfaces");
    draft.list_or_empty("network_interfaces", interfaces, |one| reference(one, "id"));
    identity(draft, "identity_type", row);
}

/// The elements of a list that have a member; what is no list stays what it is.
fn with_member(list: Option<&Value>, member: &str) -> Option<Value> {
    let Some(Value::Array(items)) = list else { return list.cloned() };
    Some(items.iter().filter(|item| at(item, member).is_some()).cloned().collect())
}

fn disk(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("state", of("properties.diskState")).int("size_gb", of("properties.diskSizeGB"));
    draft.text("os_type", of("properties.osType")).id("machine", of("managedBy"));
    draft.text("encryption_type", of("properties.encryption.type"));
    draft.id("encryption_set", of("properties.encryption.diskEncryptionSetId"));
    draft.flag("guest_encryption", of("properties.encryptionSettingsCollection.enabled"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
}

fn patches(row: &Value, draft: &mut Draft) {
    const COUNTS: &str = "properties.availablePatchCountByClassification";
    let of = |path: &str| at(row, path);
    draft.id("machine", text(row, "id").and_then(parent).map(Value::from).as_ref()).must(&["machine"]);
    draft.text("status", of("properties.status")).day("assessed", of("properties.lastModifiedDateTime"));
    draft.int("critical_missing", of(&format!("{COUNTS}.critical")));
    draft.int("security_missing", of(&format!("{COUNTS}.security")));
    draft.flag("reboot_pending", of("properties.rebootPending"));
    let Some(Value::Object(counts)) = of(COUNTS) else {
        draft.absent("other_missing");
        return;
    };
    let known = |name: &str| ["critical", "security"].iter().any(|known| known.eq_ignore_ascii_case(name));
    let others = counts.iter().filter(|(name, count)| !known(name) && !count.is_null());
    match others.map(|(name, _)| number(row, &format!("{COUNTS}.{name}"))).sum::<Option<i64>>() {
        Some(sum) => drop(draft.read("other_missing", sum)),
        None => draft.malformed(&["other_missing"]),
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn disks_that_are_not_managed_have_no_id() {
        let disks =
            json!([{"lun": 0, "vhd": {"uri": "https://example.com/a.vhd"}}, {"managedDisk": {"id": "/Disks/B"}}]);
        let row = json!({"id": "/a", "identity": {"type": "None"},
            "properties": {"storageProfile": {"osDisk": {"vhd": {}}, "dataDisks": disks}}});
        let draft = shaped(&PARTS[0], &row);
        assert_eq!(draft.resource.field("os_disk"), &Field::Absent);
        assert_eq!(draft.resource.field("identity_type"), &Field::Absent);
        assert_eq!(draft.resource.field("data_disks"), &Field::Read(json!(["/disks/b"])));
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"storageProfile": {"dataDisks": "none"}}}));
        assert!(matches!(draft.resource.field("data_disks"), Field::Unread(_)));
    }

    #[test]
    fn a_disk_that_is_attached_to_nothing_says_so_with_nothing() {
        let draft = shaped(&PARTS[1], &json!({"id": "/a", "managedBy": "", "properties": {}}));
        assert_eq!(draft.resource.field("machine"), &Field::Absent);
        assert_eq!(draft.resource.field("encryption_type"), &Field::Absent);
    }

    #[test]
    fn other_classes_are_counted_together_and_whole() {
        let id = "/subscriptions/S/virtualMachines/A/patchAssessmentResults/latest";
        let counted = |counts: Value| {
            let row = json!({"id": id, "properties": {"availablePatchCountByClassification": counts}});
            shaped(&PARTS[2], &row)
        };
        let draft = counted(json!({"critical": 1, "Security": 2, "updates": 3, "other": 4, "tools": null}));
        assert_eq!(draft.resource.field("machine"), &Field::Read(json!("/subscriptions/s/virtualmachines/a")));
        assert_eq!(draft.resource.field("security_missing"), &Field::Read(json!(2)));
        assert_eq!(draft.resource.field("other_missing"), &Field::Read(json!(7)));
        assert!(matches!(counted(json!({"other": "many"})).resource.field("other_missing"), Field::Unread(_)));
        assert_eq!(counted(Value::Null).resource.field("other_missing"), &Field::Absent);
    }
}
