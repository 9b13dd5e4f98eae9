output "client_id" {
  description = "AZURE_CLIENT_ID; in the chart, identity.azure.clientId"
  value       = azurerm_user_assigned_identity.agent.client_id
}

output "tenant_id" {
  description = "AZURE_TENANT_ID; in the chart, identity.azure.tenantId"
  value       = azurerm_user_assigned_identity.agent.tenant_id
}

output "identity" {
  description = "The identity's id, for a machine or a job that runs as it"
  value       = azurerm_user_assigned_identity.agent.id
}
