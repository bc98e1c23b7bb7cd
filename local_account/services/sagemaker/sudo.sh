#!/bin/bash
# sudo of a notebook instance: scripts run as root already, and ec2-user is the same user. Sets HOME and the login
# shell as sudo does; the rest of the environment stays, with the role's credentials in it.
user=root login=""
while [ $# -gt 0 ]; do
    case "$1" in
    -u | --user) user=$2 && shift 2 ;;
    --user=*) user=${1#*=} && shift ;;
    -i | --login) login=1 && shift ;;
    -iu | -Hiu | -inu) login=1 user=$2 && shift 2 ;;
    -Hu | -Eu | -nu | -HEu | -EHu) user=$2 && shift 2 ;;
    -s | --shell | -H | --set-home | -E | --preserve-env | --preserve-env=* | -n | --non-interactive | -b) shift ;;
    --) shift && break ;;
    -*) echo "sudo: the local account does not have the option $1" >&2 && exit 1 ;;
    *=*) export "${1?}" && shift ;;
    *) break ;;
    esac
done
case "$user" in
root) export HOME=/root USER=root LOGNAME=root ;;
ec2-user) export HOME=/home/ec2-user USER=ec2-user LOGNAME=ec2-user ;;
*) echo "sudo: unknown user $user: notebook instances have root and ec2-user" >&2 && exit 1 ;;
esac
if [ -n "$login" ]; then
    cd "$HOME" || exit 1
    path=$PATH # a login shell would forget where the tools of this instance are
    [ $# -gt 0 ] && exec bash -c 'PATH=$0; exec "$@"' "$path" "$@"
fi
[ $# -gt 0 ] && exec "$@"
exec bash
