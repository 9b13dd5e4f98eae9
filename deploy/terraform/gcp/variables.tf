variable "project" {
  description = "The project that the bucket belongs to"
  type        = string
}

variable "bucket" {
  description = "The bucket's name"
  type        = string
}

variable "location" {
  description = "Where the evidence lies, e.g. EUROPE-WEST3"
  type        = string
}

variable "writer" {
  description = "The agent's identity, e.g. serviceAccount:evidenced@example-project.iam.gserviceaccount.com"
  type        = string
}

variable "readers" {
  description = "Those who verify"
  type        = list(string)
  default     = []
}
