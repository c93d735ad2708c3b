//go:build tools
package tools
import _ "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"
