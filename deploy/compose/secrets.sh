#!/bin/sh
# Makes the secrets of the trial, once. They stay on this machine: the folder is in no image and in no repository.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets/token ] || { echo "secrets.sh: secrets/ is there already" >&2; exit 0; }

random() {
    od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

# The folder is yours alone. The files can be read by whom they are mounted for, who has another number.
install -d -m 0700 secrets
umask 022
user=evidenced
password=$(random 20)
printf '%s' "$user" > secrets/store_user
printf '%s' "$password" > secrets/store_password
random 32 > secrets/token
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$user" "$password" > secrets/aws
