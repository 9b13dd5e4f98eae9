output "store" {
  description = "For store.url in the config"
  value       = "azblob://${azurerm_storage_account.evidence.name}/${azapi_resource.container.name}"
}
