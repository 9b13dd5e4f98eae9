# The identity by which an agent reads a tenant: a managed identity, whoever may act as it without a secret, a role that has
# what the collectors ask for and nothing else, and the application permissions of Microsoft Graph. Applying it consents to
# those: it takes a Privileged Role Administrator, and User Access Administrator at the scope.
#
# The lists are those of `evidenced permissions azure`, and deploy/bicep/reader-role.bicep has the role too.

terraform {
  required_version = ">= 1.5"
  required_providers {
    azuread = {
      source  = "hashicorp/azuread"
      version = ">= 3.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0"
    }
  }
}

resource "azurerm_user_assigned_identity" "agent" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
}

# Kubernetes, AWS, GitHub: a workload whose token another issuer signs.
resource "azurerm_federated_identity_credential" "agent" {
  for_each            = var.federated
  name                = each.key
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.agent.id
  issuer              = each.value.issuer
  subject             = each.value.subject
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_definition" "reader" {
  name        = "${var.name} reader"
  scope       = var.scope
  description = "Reads how resources are configured, as evidence. It changes nothing and reads no content."

  permissions {
    # With it the role is as wide as Reader. Only the list of all resources needs it (azure.resources.resource).
    actions = concat(var.everything ? ["*/read"] : [], [
      "Microsoft.Authorization/locks/read",
      "Microsoft.Authorization/permissions/read",
      "Microsoft.Authorization/policyAssignments/read",
      "Microsoft.Authorization/policyExemptions/read",
      "Microsoft.Authorization/roleAssignments/read",
      "Microsoft.Authorization/roleDefinitions/read",
      "Microsoft.Authorization/roleEligibilityScheduleInstances/read",
      "Microsoft.Cdn/profiles/afdEndpoints/read",
      "Microsoft.Cdn/profiles/customDomains/read",
      "Microsoft.Cdn/profiles/read",
      "Microsoft.Cdn/profiles/securityPolicies/read",
      "Microsoft.CognitiveServices/accounts/deployments/read",
      "Microsoft.CognitiveServices/accounts/raiPolicies/read",
      "Microsoft.CognitiveServices/accounts/read",
      "Microsoft.Compute/disks/read",
      "Microsoft.Compute/virtualMachines/patchAssessmentResults/*",
      "Microsoft.Compute/virtualMachines/read",
      "Microsoft.ContainerRegistry/registries/read",
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.DBforPostgreSQL/flexibleServers/configurations/read",
      "Microsoft.DBforPostgreSQL/flexibleServers/read",
      "Microsoft.DocumentDB/databaseAccounts/read",
      "Microsoft.Insights/actionGroups/read",
      "Microsoft.Insights/activityLogAlerts/read",
      "Microsoft.Insights/diagnosticSettings/read",
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/read",
      "Microsoft.KeyVault/vaults/secrets/read",
      "Microsoft.MachineLearningServices/workspaces/computes/read",
      "Microsoft.MachineLearningServices/workspaces/read",
      "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies/read",
      "Microsoft.Network/applicationGateways/read",
      "Microsoft.Network/frontDoorWebApplicationFirewallPolicies/read",
      "Microsoft.Network/frontDoors/read",
      "Microsoft.Network/networkSecurityGroups/read",
      "Microsoft.Network/networkWatchers/flowLogs/read",
      "Microsoft.Network/networkWatchers/read",
      "Microsoft.Network/virtualNetworks/read",
      "Microsoft.OperationalInsights/workspaces/read",
      "Microsoft.OperationalInsights/workspaces/tables/read",
      "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read",
      "Microsoft.RecoveryServices/vaults/read",
      "Microsoft.Resources/subscriptions/read",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
      "Microsoft.Search/searchServices/read",
      "Microsoft.Security/assessments/read",
      "Microsoft.Security/locations/jitNetworkAccessPolicies/read",
      "Microsoft.Security/pricings/read",
      "Microsoft.Security/securityContacts/read",
      "Microsoft.Sql/servers/auditingSettings/read",
      "Microsoft.Sql/servers/azureADOnlyAuthentications/read",
      "Microsoft.Sql/servers/databases/read",
      "Microsoft.Sql/servers/databases/transparentDataEncryption/read",
      "Microsoft.Sql/servers/encryptionProtector/read",
      "Microsoft.Sql/servers/firewallRules/read",
      "Microsoft.Sql/servers/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/read",
      "Microsoft.Storage/storageAccounts/blobServices/read",
      "Microsoft.Storage/storageAccounts/fileServices/read",
      "Microsoft.Storage/storageAccounts/read",
      "Microsoft.Web/sites/config/read",
      "Microsoft.Web/sites/read",
      "Microsoft.Web/sites/slots/config/read",
    ])
  }

  assignable_scopes = [var.scope]
}

resource "azurerm_role_assignment" "reader" {
  scope              = var.scope
  role_definition_id = azurerm_role_definition.reader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.agent.principal_id
}

data "azuread_service_principal" "graph" {
  client_id = "00000003-0000-0000-c000-000000000000"
}

resource "azuread_app_role_assignment" "directory" {
  for_each = toset(var.directory ? [
    "Application.Read.All",
    "AuditLog.Read.All",
    "Domain.Read.All",
    "GroupMember.Read.All",
    "Organization.Read.All",
    "Policy.Read.All",
    "RoleAssignmentSchedule.Read.Directory",
    "RoleEligibilitySchedule.Read.Directory",
    "RoleManagement.Read.Directory",
    "User.Read.All",
  ] : [])

  app_role_id         = data.azuread_service_principal.graph.app_role_ids[each.value]
  principal_object_id = azurerm_user_assigned_identity.agent.principal_id
  resource_object_id  = data.azuread_service_principal.graph.object_id
}
