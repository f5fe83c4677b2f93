#!/bin/sh
# Everything that can be said of the chart without a cluster: Helm, the schemas of Kubernetes, checkov.
#   HELM                  helm 4; the one on the path unless set
#   KUBERNETES_VALIDATE   of the Python package of that name
#   CHECKOV               of the Python package of that name; left out where it is empty
set -eu
here=$(cd "$(dirname "$0")" && pwd)
helm=${HELM:-helm} validate=${KUBERNETES_VALIDATE:-kubernetes-validate}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export HELM_CACHE_HOME="$work/cache" HELM_CONFIG_HOME="$work/config" HELM_DATA_HOME="$work/data" KUBECONFIG=/dev/null

"$helm" lint --strict --quiet "$here/futago"
for version in 1.31 1.33 1.37; do
  for values in plain everything; do
    "$helm" template plant "$here/futago" --namespace futago --kube-version "$version" --values "$here/tests/$values.yaml" > "$work/$values-$version.yaml"
    # What operators of the cluster define has no schema here, which is a warning.
    "$validate" -k "$version" --strict --quiet "$work/$values-$version.yaml"
  done
done
"$helm" install plant "$here/futago" --dry-run=client --values "$here/tests/everything.yaml" > /dev/null
"$helm" package "$here/futago" --destination "$work" > /dev/null
if [ -n "${CHECKOV-checkov}" ]; then
  "$helm" template plant "$here/futago" --namespace futago --values "$here/tests/everything.yaml" > "$work/checkov.yaml"
  "${CHECKOV-checkov}" --file "$work/checkov.yaml" --framework kubernetes --config-file "$here/checkov.yaml" --compact --quiet --skip-download
fi
echo "The chart holds."
