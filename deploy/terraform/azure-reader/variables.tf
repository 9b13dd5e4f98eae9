variable "name" {
  description = "The identity's name"
  type        = string
  default     = "evidenced"
}

variable "resource_group" {
  description = "The resource group of the identity, which is there already"
  type        = string
}

variable "location" {
  description = "Where the identity lies"
  type        = string
}

variable "scope" {
  description = "The id of the management group (or subscription) that is read: new subscriptions below it are read too"
  type        = string
}

variable "everything" {
  description = "Whether types that no collector names may be read, for the list of all resources; if not, exclude that kind in the config"
  type        = bool
  default     = true
}

variable "directory" {
  description = "Whether the directory is read: people, roles, conditional access, applications"
  type        = bool
  default     = true
}

variable "federated" {
  description = "Who may act as the identity, by name: the issuer and the subject of its tokens"
  type        = map(object({ issuer = string, subject = string }))
  default     = {}
}
