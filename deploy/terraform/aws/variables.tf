variable "bucket" {
  description = "The bucket's name"
  type        = string
}

variable "prefix" {
  description = "The part of the store's URL after the bucket"
  type        = string
  default     = ""
}

variable "mode" {
  description = "COMPLIANCE: nobody can lift a lock, you included; GOVERNANCE: a special permission can"
  type        = string
  default     = "COMPLIANCE"

  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.mode)
    error_message = "COMPLIANCE or GOVERNANCE."
  }
}

variable "days" {
  description = "For how long the bucket locks what is put there without a lock of its own"
  type        = number
  default     = 1460
}
