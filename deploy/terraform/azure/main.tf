# A container for evidence that nobody can rewrite: version-level immutability, a key of your own, and a role that can
# add and read blobs and nothing else. Best in a subscription of its own, apart from those that are read.

terraform {
  required_version = ">= 1.5"
  required_providers {
    azapi = {
      source  = "azure/azapi"
      version = ">= 2.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0"
    }
  }
}

data "azurerm_client_config" "current" {}

resource "azurerm_storage_account" "evidence" {
  name                            = var.account
  resource_group_name             = var.resource_group
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "GZRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  # Identities only: whoever holds an account key can do everything.
  shared_access_key_enabled = false

  blob_properties {
    versioning_enabled = true
  }

  identity {
    type = "SystemAssigned"
  }

  lifecycle {
    ignore_changes  = [customer_managed_key]
    prevent_destroy = true
  }
}

# Version-level immutability on the container lets each blob have a lock of its own.
resource "azapi_resource" "container" {
  type      = "Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01"
  name      = var.container
  parent_id = "${azurerm_storage_account.evidence.id}/blobServices/default"

  body = {
    properties = {
      publicAccess = "None"
      immutableStorageWithVersioning = {
        enabled = true
      }
    }
  }
}

resource "azurerm_key_vault" "evidence" {
  name                       = var.key_vault
  resource_group_name        = var.resource_group
  location                   = var.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
}

resource "azurerm_role_assignment" "key_maker" {
  scope                = azurerm_key_vault.evidence.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_role_assignment" "account_uses_key" {
  scope                = azurerm_key_vault.evidence.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_storage_account.evidence.identity[0].principal_id
}

resource "azurerm_key_vault_key" "evidence" {
  name         = "evidence"
  key_vault_id = azurerm_key_vault.evidence.id
  key_type     = "RSA"
  key_size     = 3072
  key_opts     = ["unwrapKey", "wrapKey"]
  depends_on   = [azurerm_role_assignment.key_maker]
}

resource "azurerm_storage_account_customer_managed_key" "evidence" {
  storage_account_id = azurerm_storage_account.evidence.id
  key_vault_id       = azurerm_key_vault.evidence.id
  key_name           = azurerm_key_vault_key.evidence.name
  depends_on         = [azurerm_role_assignment.account_uses_key]
}

resource "azurerm_role_definition" "writer" {
  name        = "${var.account} evidence writer"
  scope       = azurerm_storage_account.evidence.id
  description = "Adds evidence and locks it, and can neither delete it nor shorten its lock"

  permissions {
    actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/read",
    ]
    data_actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    ]
  }

  assignable_scopes = [azurerm_storage_account.evidence.id]
}

resource "azurerm_role_assignment" "writer" {
  scope              = azapi_resource.container.id
  role_definition_id = azurerm_role_definition.writer.role_definition_resource_id
  principal_id       = var.writer
}

resource "azurerm_role_assignment" "reader" {
  for_each             = toset(var.readers)
  scope                = azapi_resource.container.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = each.value
}
