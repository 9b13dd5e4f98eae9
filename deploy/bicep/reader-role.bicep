// The role by which an agent reads what is below a management group: what the collectors ask for, and nothing else.
//
//     az deployment mg create --management-group-id GROUP --location westeurope --template-file reader-role.bicep \
//       --parameters principalId=OBJECT-ID
//
// The list is that of `evidenced permissions azure`, and deploy/terraform/azure-reader has it too. Permissions of Microsoft
// Graph are not granted here: docs/azure.md.

targetScope = 'managementGroup'

@description('Object id of the identity that collects evidence')
param principalId string

@description('Whether types that no collector names may be read, for the list of all resources')
param everything bool = true

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(managementGroup().id, 'evidenced-reader')
  properties: {
    roleName: 'Evidenced reader'
    description: 'Reads how resources are configured, as evidence. It changes nothing and reads no content.'
    type: 'CustomRole'
    assignableScopes: [
      managementGroup().id
    ]
    permissions: [
      {
        // With */read the role is as wide as Reader. Only the list of all resources needs it (azure.resources.resource).
        actions: concat(everything ? ['*/read'] : [], [
          'Microsoft.Authorization/locks/read'
          'Microsoft.Authorization/permissions/read'
          'Microsoft.Authorization/policyAssignments/read'
          'Microsoft.Authorization/policyExemptions/read'
          'Microsoft.Authorization/roleAssignments/read'
          'Microsoft.Authorization/roleDefinitions/read'
          'Microsoft.Authorization/roleEligibilityScheduleInstances/read'
          'Microsoft.Cdn/profiles/afdEndpoints/read'
          'Microsoft.Cdn/profiles/customDomains/read'
          'Microsoft.Cdn/profiles/read'
          'Microsoft.Cdn/profiles/securityPolicies/read'
          'Microsoft.CognitiveServices/accounts/deployments/read'
          'Microsoft.CognitiveServices/accounts/raiPolicies/read'
          'Microsoft.CognitiveServices/accounts/read'
          'Microsoft.Compute/disks/read'
          'Microsoft.Compute/virtualMachines/patchAssessmentResults/*'
          'Microsoft.Compute/virtualMachines/read'
          'Microsoft.ContainerRegistry/registries/read'
          'Microsoft.ContainerService/managedClusters/read'
          'Microsoft.DBforPostgreSQL/flexibleServers/configurations/read'
          'Microsoft.DBforPostgreSQL/flexibleServers/read'
          'Microsoft.DocumentDB/databaseAccounts/read'
          'Microsoft.Insights/actionGroups/read'
          'Microsoft.Insights/activityLogAlerts/read'
          'Microsoft.Insights/diagnosticSettings/read'
          'Microsoft.KeyVault/vaults/keys/read'
          'Microsoft.KeyVault/vaults/read'
          'Microsoft.KeyVault/vaults/secrets/read'
          'Microsoft.MachineLearningServices/workspaces/computes/read'
          'Microsoft.MachineLearningServices/workspaces/read'
          'Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies/read'
          'Microsoft.Network/applicationGateways/read'
          'Microsoft.Network/frontDoorWebApplicationFirewallPolicies/read'
          'Microsoft.Network/frontDoors/read'
          'Microsoft.Network/networkSecurityGroups/read'
          'Microsoft.Network/networkWatchers/flowLogs/read'
          'Microsoft.Network/networkWatchers/read'
          'Microsoft.Network/virtualNetworks/read'
          'Microsoft.OperationalInsights/workspaces/read'
          'Microsoft.OperationalInsights/workspaces/tables/read'
          'Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read'
          'Microsoft.RecoveryServices/vaults/read'
          'Microsoft.Resources/subscriptions/read'
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Search/searchServices/read'
          'Microsoft.Security/assessments/read'
          'Microsoft.Security/locations/jitNetworkAccessPolicies/read'
          'Microsoft.Security/pricings/read'
          'Microsoft.Security/securityContacts/read'
          'Microsoft.Sql/servers/auditingSettings/read'
          'Microsoft.Sql/servers/azureADOnlyAuthentications/read'
          'Microsoft.Sql/servers/databases/read'
          'Microsoft.Sql/servers/databases/transparentDataEncryption/read'
          'Microsoft.Sql/servers/encryptionProtector/read'
          'Microsoft.Sql/servers/firewallRules/read'
          'Microsoft.Sql/servers/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
          'Microsoft.Storage/storageAccounts/blobServices/read'
          'Microsoft.Storage/storageAccounts/fileServices/read'
          'Microsoft.Storage/storageAccounts/read'
          'Microsoft.Web/sites/config/read'
          'Microsoft.Web/sites/read'
          'Microsoft.Web/sites/slots/config/read'
        ])
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(managementGroup().id, principalId, 'evidenced-reader')
  properties: {
    roleDefinitionId: role.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
