variable "agent" {
  description = "The ARN of the agent's role; empty in the agent's own account, where only the policy is made"
  type        = string
  default     = ""
}

variable "external_id" {
  description = "external_id in the config"
  type        = string
  default     = ""
}

variable "role" {
  description = "role in the config"
  type        = string
  default     = "evidenced-reader"
}
