"""Which class of the vendor's packages each body of our fixtures is held against, and what is left out, with the reason.

Names are `module:Class`; those of `msgraph` are `msgraph:file.Class` below its generated models.
"""

# Rows of Resource Graph, by type: each is the resource as Resource Manager knows it.
ROWS = {
    "microsoft.authorization/policyassignments": "azure.mgmt.resource.policy.v2023_04_01.models:PolicyAssignment",
    "microsoft.authorization/policyexemptions": "azure.mgmt.resource.policy.v2022_07_01_preview.models:PolicyExemption",
    "microsoft.authorization/roleassignments": "azure.mgmt.authorization.v2022_04_01.models:RoleAssignment",
    "microsoft.cdn/profiles": "azure.mgmt.cdn.models:Profile",
    "microsoft.cognitiveservices/accounts": "azure.mgmt.cognitiveservices.models:Account",
    "microsoft.compute/disks": "azure.mgmt.compute.models:Disk",
    "microsoft.compute/virtualmachines": "azure.mgmt.compute.models:VirtualMachine",
    "microsoft.containerregistry/registries": "azure.mgmt.containerregistry.models:Registry",
    "microsoft.containerservice/managedclusters": "azure.mgmt.containerservice.models:ManagedCluster",
    "microsoft.documentdb/databaseaccounts": "azure.mgmt.cosmosdb.models:DatabaseAccountGetResults",
    "microsoft.insights/actiongroups": "azure.mgmt.monitor.models:ActionGroupResource",
    "microsoft.insights/activitylogalerts": "azure.mgmt.monitor.models:ActivityLogAlertResource",
    "microsoft.keyvault/vaults": "azure.mgmt.keyvault.models:Vault",
    "microsoft.machinelearningservices/workspaces": "azure.mgmt.machinelearningservices.models:Workspace",
    "microsoft.network/applicationgateways": "azure.mgmt.network.models:ApplicationGateway",
    "microsoft.network/applicationgatewaywebapplicationfirewallpolicies":
        "azure.mgmt.network.models:WebApplicationFirewallPolicy",
    "microsoft.network/frontdoors": "azure.mgmt.frontdoor.models:FrontDoor",
    "microsoft.network/frontdoorwebapplicationfirewallpolicies":
        "azure.mgmt.frontdoor.models:WebApplicationFirewallPolicy",
    "microsoft.network/networksecuritygroups": "azure.mgmt.network.models:NetworkSecurityGroup",
    "microsoft.network/networkwatchers/flowlogs": "azure.mgmt.network.models:FlowLog",
    "microsoft.network/virtualnetworks": "azure.mgmt.network.models:VirtualNetwork",
    "microsoft.operationalinsights/workspaces": "azure.mgmt.loganalytics.models:Workspace",
    "microsoft.recoveryservices/vaults": "azure.mgmt.recoveryservices.models:Vault",
    "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems":
        "azure.mgmt.recoveryservicesbackup.models:ProtectedItemResource",
    "microsoft.resources/subscriptions/resourcegroups": "azure.mgmt.resource.resources.models:ResourceGroup",
    "microsoft.search/searchservices": "azure.mgmt.search.models:SearchService",
    "microsoft.security/assessments": "azure.mgmt.security.v2021_06_01.models:SecurityAssessmentResponse",
    "microsoft.sql/servers": "azure.mgmt.sql.models:Server",
    "microsoft.sql/servers/databases": "azure.mgmt.sql.models:Database",
    "microsoft.storage/storageaccounts": "azure.mgmt.storage.models:StorageAccount",
    "microsoft.web/sites": "azure.mgmt.web.models:Site",
    "microsoft.web/sites/config": "azure.mgmt.web.models:SiteConfigResource",
    "microsoft.web/sites/slots": "azure.mgmt.web.models:Site",
}

# Columns that Resource Graph has for every row, also where Resource Manager's resource does not have them.
COLUMNS = {"location", "tags", "kind", "managedBy", "sku", "zones", "identity"}

# Answers, by how the path of the route ends: an item of the listing, or the body itself where it is no listing.
ANSWERS = {
    "/error": "azure.mgmt.storage.models:ErrorResponse",
    "/microsoft.resourcegraph/resources": "azure.mgmt.resourcegraph.models:QueryResponse",
    "/subscriptions": "azure.mgmt.resource.subscriptions.models:Subscription",
    "/accounts/*/deployments": "azure.mgmt.cognitiveservices.models:Deployment",
    "/accounts/*/raipolicies": "azure.mgmt.cognitiveservices.models:RaiPolicy",
    "/accounts/*/raipolicies/microsoft.defaultv2": "azure.mgmt.cognitiveservices.models:RaiPolicy",
    "/auditingsettings/default": "azure.mgmt.sql.models:ServerBlobAuditingPolicy",
    "/blobservices/default/containers": "azure.mgmt.storage.models:ListContainerItem",
    "/fileservices/default": "azure.mgmt.storage.models:FileServiceProperties",
    "/flexibleservers/*/configurations": "azure.mgmt.postgresqlflexibleservers.models:Configuration",
    "/microsoft.authorization/locks": "azure.mgmt.resource.locks.models:ManagementLockObject",
    "/microsoft.authorization/permissions": "azure.mgmt.authorization.v2022_04_01.models:Permission",
    "/microsoft.authorization/roleeligibilityscheduleinstances":
        "azure.mgmt.authorization.v2020_10_01.models:RoleEligibilityScheduleInstance",
    "/microsoft.security/jitnetworkaccesspolicies": "azure.mgmt.security.v2020_01_01.models:JitNetworkAccessPolicy",
    "/profiles/*/afdendpoints": "azure.mgmt.cdn.models:AFDEndpoint",
    "/profiles/*/customdomains": "azure.mgmt.cdn.models:AFDDomain",
    "/profiles/*/securitypolicies": "azure.mgmt.cdn.models:SecurityPolicy",
    "/subscriptions/*/providers/microsoft.insights/diagnosticsettings":
        "azure.mgmt.monitor.models:SubscriptionDiagnosticSettingsResource",
    "/vaults/*/keys": "azure.mgmt.keyvault.models:Key",
    "/vaults/*/keys/example-rotated": "azure.mgmt.keyvault.models:Key",
    "/vaults/*/secrets": "azure.mgmt.keyvault.models:Secret",
    "/workspaces/*/computes": "azure.mgmt.machinelearningservices.models:ComputeResource",
    "/workspaces/*/tables": "azure.mgmt.loganalytics.models:Table",
    "/v1.0/applications": "msgraph:application.Application",
    "/v1.0/applications/*/federatedidentitycredentials":
        "msgraph:federated_identity_credential.FederatedIdentityCredential",
    "/v1.0/domains": "msgraph:domain.Domain",
    "/v1.0/groups/*/transitivemembers": "msgraph:directory_object.DirectoryObject",
    "/v1.0/identity/conditionalaccess/policies": "msgraph:conditional_access_policy.ConditionalAccessPolicy",
    "/v1.0/organization": "msgraph:organization.Organization",
    "/v1.0/policies/authorizationpolicy": "msgraph:authorization_policy.AuthorizationPolicy",
    "/v1.0/reports/authenticationmethods/userregistrationdetails":
        "msgraph:user_registration_details.UserRegistrationDetails",
    "/v1.0/rolemanagement/directory/roleassignments": "msgraph:unified_role_assignment.UnifiedRoleAssignment",
    "/v1.0/rolemanagement/directory/roleassignmentscheduleinstances":
        "msgraph:unified_role_assignment_schedule_instance.UnifiedRoleAssignmentScheduleInstance",
    "/v1.0/rolemanagement/directory/roledefinitions": "msgraph:unified_role_definition.UnifiedRoleDefinition",
    "/v1.0/rolemanagement/directory/roleeligibilityschedules":
        "msgraph:unified_role_eligibility_schedule.UnifiedRoleEligibilitySchedule",
    "/v1.0/serviceprincipals": "msgraph:service_principal.ServicePrincipal",
    "/v1.0/users": "msgraph:user.User",
}

# What no package has a class for.
NOT_JUDGED = {
    "microsoft.resources/subscriptions":
        "a subscription with the management groups above it is a row that only Resource Graph has",
    "microsoft.compute/virtualmachines/patchassessmentresults":
        "only Resource Graph's table patchassessmentresources has it; Resource Manager and its packages do not",
    "/providers/microsoft.aadiam/diagnosticsettings":
        "the provider microsoft.aadiam has no package; Microsoft Graph does not have these settings",
}

# Members that the class does not have, and why they are there all the same.
ALSO = {
    ("VirtualMachineProperties", "extended"):
        "the instance view is there in rows of Resource Graph only, as its sample queries use it",
    ("Workspace", "hubResourceId"):
        "of a later version of the API than the newest package; azure-ai-ml 1.35.2 has it (arm_ml_service)",
    ("Workspace", "managedNetwork"):
        "of a later version of the API than the newest package; azure-ai-ml 1.35.2 has it (arm_ml_service)",
}

# Enumerations that say of themselves that they are not complete.
OPEN = {"VirtualMachineSizeTypes"}

# A set of flags, which msgraph-sdk reads as a list and so loses: it is held against its enumeration here.
FLAGS = {"requirementsSatisfied": "msgraph:authentication_strength_requirements.AuthenticationStrengthRequirements"}
