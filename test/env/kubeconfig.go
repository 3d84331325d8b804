// SPDX-License-Identifier: Apache-2.0

package env

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// WriteKubeconfig writes a kubeconfig file, readable by its owner alone, with the address and the credentials of a
// configuration: what kubectl and the manager are given.
func WriteKubeconfig(path string, config *rest.Config) error {
	const name = "extension-operator"
	content := api.NewConfig()
	content.CurrentContext = name
	content.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	content.Clusters[name] = &api.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	content.AuthInfos[name] = &api.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	if err := clientcmd.WriteToFile(*content, path); err != nil {
		return fmt.Errorf("write the kubeconfig %s: %w", path, err)
	}
	return nil
}
