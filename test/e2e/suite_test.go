// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// system is the operator's namespace, samples the one that config/samples are applied to.
const (
	system  = "extension-system"
	samples = "default"
)

// What every spec runs against.
var (
	// admin is the user of KUBECONFIG.
	adminConfig *rest.Config
	admin       client.Client
	clientset   kubernetes.Interface
	// begun is when the suite began; up: the specs can begin.
	begun time.Time
	up    bool
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(3 * time.Minute)
	SetDefaultEventuallyPollingInterval(250 * time.Millisecond)
	SetDefaultConsistentlyDuration(5 * time.Second)
	EnforceDefaultTimeoutsWhenUsingContexts()
	format.MaxLength = 0
	RunSpecs(t, "the operator in a cluster")
}

// The order matters: all that shares the first installation comes before what takes it away.
var _ = Describe("the operator", Ordered, ContinueOnFailure, func() {
	installSpecs()
	sampleSpecs()
	apiSpecs()
	rbacSpecs()
	idleSpecs()
	installationSpecs()
	deletionSpecs()
	docsSpecs()
	graceSpecs()
	librarySpecs()
	sandboxSpecs()
	leaderSpecs()
	evictionSpecs()
	nodeSpecs()
	scaleSpecs()
	privilegeSpecs() // what an uninstall takes away first is refused after it
	configurationSpecs()
	uninstallSpecs()
	upgradeSpecs()
	chartSpecs()
})

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	begun = time.Now()
	var err error
	adminConfig, err = clientcmd.BuildConfigFromFlags("", need("KUBECONFIG"))
	Expect(err).NotTo(HaveOccurred())
	adminConfig.QPS = -1
	admin, err = client.New(adminConfig, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	clientset, err = kubernetes.NewForConfig(adminConfig)
	Expect(err).NotTo(HaveOccurred())
	beginClean(ctx)
	installByManifest(ctx)
	up = true
})

// Our own cluster goes as a whole.
var _ = AfterSuite(func() {
	if admin != nil && !up {
		dump("before-the-specs")
	}
	if admin != nil && !ownCluster() && os.Getenv("KEEP") == "" {
		removeAll()
	}
})

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(s)).To(Succeed())
	Expect(apiextensions.AddToScheme(s)).To(Succeed())
	Expect(api.AddToScheme(s)).To(Succeed())
	return s
}

// need returns a variable that make e2e sets.
func need(variable string) string {
	GinkgoHelper()
	value := os.Getenv(variable)
	Expect(value).NotTo(BeEmpty(), "%s is not set: run make e2e", variable)
	return value
}

// beginClean takes away what an earlier run left in our own cluster, and refuses to touch an operator of somebody else's.
func beginClean(ctx context.Context) {
	GinkgoHelper()
	err := admin.Get(ctx, client.ObjectKey{Name: system}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	Expect(ownCluster()).To(BeTrue(), "the cluster of KUBECONFIG has a namespace %s already: give the suite a cluster without the operator", system)
	removeAll()
}
