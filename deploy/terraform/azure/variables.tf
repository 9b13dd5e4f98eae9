variable "account" {
  description = "The storage account's name"
  type        = string
}

variable "container" {
  description = "The container's name"
  type        = string
  default     = "evidence"
}

variable "resource_group" {
  description = "The resource group, which is there already"
  type        = string
}

variable "location" {
  description = "Where the evidence lies"
  type        = string
}

variable "key_vault" {
  description = "The name of the key vault that is made for the encryption key"
  type        = string
}

variable "writer" {
  description = "The object id of the agent's identity"
  type        = string
}

variable "readers" {
  description = "The object ids of those who verify"
  type        = list(string)
  default     = []
}
